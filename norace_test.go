//go:build !race

package keelson_test

// stride strikes every fault.
const stride = 1
