// Every few seconds, while somebody looks: asks for this page again and puts what changed in the places marked
// with data-live. Nothing else moves, and what is being read, pointed at or opened stays so.
"use strict";
(() => {
  // A page that moves faster says so.
  const PAUSE = Number(document.querySelector("[data-live-pause]")?.dataset.livePause) || 5000;
  const LONGEST_PAUSE = 60000;
  const KEY = "toolhone-live";
  const places = () => document.querySelectorAll("[data-live]");
  const button = document.querySelector("[data-live-switch]");
  if (!places().length) return;

  let on = localStorage.getItem(KEY) !== "off";
  let pause = PAUSE;
  let timer = 0;
  let asking = null;

  const opened = (place) => [...place.querySelectorAll("details[id]")].filter((one) => one.open).map((one) => one.id);

  const put = (place, fresh) => {
    if (place.innerHTML === fresh.innerHTML) return false;
    const active = document.activeElement;
    if (active !== place && place.contains(active) && active.matches("input, select, textarea")) return false;
    const selection = getSelection();
    if (!selection.isCollapsed && place.contains(selection.anchorNode)) return false;
    const open = opened(place);
    const scrolled = [...place.querySelectorAll(".scroll")].map((one) => [one.scrollLeft, one.scrollTop]);
    // The same control has the focus afterwards, if it is still there.
    const controls = "a[href], button, summary, [tabindex]";
    const at = place.contains(active) ? [...place.querySelectorAll(controls)].indexOf(active) : -1;
    place.replaceChildren(...document.importNode(fresh, true).childNodes);
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    place.querySelectorAll(".scroll").forEach((one, index) => {
      if (scrolled[index]) [one.scrollLeft, one.scrollTop] = scrolled[index];
    });
    if (at >= 0) place.querySelectorAll(controls)[at]?.focus({ preventScroll: true });
    return true;
  };

  const refresh = async () => {
    asking = new AbortController();
    try {
      const answer = await fetch(location.href, {
        headers: { Accept: "text/html" },
        signal: asking.signal,
        redirect: "manual",
        cache: "no-store",
      });
      // Signed out, or the server is being restarted: what is shown stays, and is asked for less often.
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      let changed = false;
      for (const place of places()) {
        const fresh = page.getElementById(place.dataset.live);
        if (fresh && put(place, fresh)) changed = true;
      }
      pause = PAUSE;
      document.documentElement.classList.remove("stale");
      if (changed) dispatchEvent(new Event("toolhone:live"));
    } catch (error) {
      if (error.name === "AbortError") return;
      pause = Math.min(pause * 2, LONGEST_PAUSE);
      document.documentElement.classList.add("stale");
    }
    plan();
  };

  const plan = () => {
    clearTimeout(timer);
    if (on && document.visibilityState === "visible") timer = setTimeout(refresh, pause);
  };

  document.addEventListener("visibilitychange", () => {
    asking?.abort();
    clearTimeout(timer);
    if (on && document.visibilityState === "visible") refresh();
  });

  if (button) {
    button.hidden = false;
    const show = () => button.setAttribute("aria-pressed", String(on));
    show();
    button.addEventListener("click", () => {
      on = !on;
      localStorage.setItem(KEY, on ? "on" : "off");
      show();
      asking?.abort();
      plan();
    });
  }
  plan();
})();
