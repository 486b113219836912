// What is nicer with scripts: the menu on a phone, the theme's switch, "/" for the first search field, questions
// before what cannot be undone.
"use strict";
(() => {
  const root = document.documentElement;

  const menu = document.querySelector("[data-menu]");
  if (menu) {
    const navigation = document.getElementById(menu.getAttribute("aria-controls"));
    menu.hidden = false;
    const show = (open) => {
      menu.setAttribute("aria-expanded", String(open));
      navigation.classList.toggle("open", open);
    };
    menu.addEventListener("click", () => show(menu.getAttribute("aria-expanded") !== "true"));
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && menu.getAttribute("aria-expanded") === "true") {
        show(false);
        menu.focus();
      }
    });
  }

  const switches = document.querySelector("[data-switches]");
  const theme = document.querySelector("[data-theme-switch]");
  if (switches && theme) {
    switches.hidden = false;
    const order = ["system", "light", "dark"];
    const names = { system: "System", light: "Light", dark: "Dark" };
    const name = theme.querySelector("[data-theme-name]");
    let now = root.dataset.theme || "system";
    const set = (wanted) => {
      now = wanted;
      if (wanted === "system") {
        delete root.dataset.theme;
        localStorage.removeItem("toolhone-theme");
      } else {
        root.dataset.theme = wanted;
        localStorage.setItem("toolhone-theme", wanted);
      }
      name.textContent = names[wanted];
      dispatchEvent(new Event("toolhone:theme"));
    };
    name.textContent = names[now];
    theme.addEventListener("click", () => set(order[(order.indexOf(now) + 1) % order.length]));
  }

  addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    const field = document.querySelector("main input[type=search], main input[type=text], main textarea");
    if (!field) return;
    event.preventDefault();
    field.focus();
    if (field.select) field.select();
  });

  // A form with data-confirm asks before it is sent; without scripts it is sent at once.
  document.addEventListener("submit", (event) => {
    const question = event.submitter?.dataset.confirm || event.target.dataset.confirm;
    if (question && !confirm(question)) event.preventDefault();
  });

  // A filter's choice takes effect at once; without scripts there is the button.
  for (const form of document.querySelectorAll("form[data-auto]")) {
    for (const select of form.querySelectorAll("select")) {
      select.addEventListener("change", () => form.requestSubmit());
    }
  }
})();
