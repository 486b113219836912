// Loaded before the page is drawn, so that it does not flash in the other theme.
"use strict";
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  const wanted = localStorage.getItem("toolhone-theme");
  if (wanted === "light" || wanted === "dark") root.dataset.theme = wanted;
})();
