//go:build race

package keelson_test

// stride thins out the faults under the race detector, which makes each story
// several times as expensive; every single one is struck without it, and CI runs
// both.
const stride = 5
