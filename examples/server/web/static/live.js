// Keeps the part of a page that changes by itself up to date, and copies links.
"use strict";

const region = document.querySelector("[data-live]");
const stale = document.querySelector(".stale");

// swap puts new content in place without closing what a person opened or losing
// the focus.
function swap(html) {
  const open = [...region.querySelectorAll("details[open][id]")].map((d) => d.id);
  const active = region.contains(document.activeElement) ? document.activeElement : null;
  const focus = active && (active.id || active.closest("details[id]")?.id);
  region.innerHTML = html;
  for (const id of open) document.getElementById(id)?.setAttribute("open", "");
  if (focus) {
    const back = document.getElementById(focus);
    (back?.querySelector(":scope > summary") || back)?.focus({ preventScroll: true });
  }
}

async function follow() {
  const every = Number(region.dataset.live);
  let wait = every;
  let last = "";
  for (;;) {
    await new Promise((done) => setTimeout(done, wait));
    if (document.hidden) continue;
    try {
      const answer = await fetch(location.href, { headers: { "Keelson-Live": "1" }, cache: "no-store" });
      if (answer.status === 401) return location.reload();
      if (!answer.ok) throw new Error(answer.statusText);
      const html = await answer.text();
      if (html !== last) swap(html);
      last = html;
      wait = every;
      stale.hidden = true;
    } catch {
      wait = Math.min(wait * 2, 30000);
      stale.hidden = false;
    }
  }
}

if (region) follow();

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", async () => {
    const field = document.getElementById(button.dataset.copy);
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      button.textContent = "Copied";
    } catch {
      button.textContent = "Press Ctrl-C";
    }
  });
}
