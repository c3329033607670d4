"use strict";
(() => {
  const tools = document.querySelector(".tools");
  const all = [...document.querySelectorAll("details.gateway")];

  // A link to a practice opens its section, here and when the page comes with one in its address.
  const openLinked = () => {
    const linked = location.hash && document.getElementById(location.hash.slice(1));
    if (linked instanceof HTMLDetailsElement) {
      linked.hidden = false;
      linked.open = true;
      linked.scrollIntoView();
    }
  };
  addEventListener("hashchange", openLinked);
  openLinked();

  // On paper all sections and their facts are open; the evidence stays as the reader left it.
  let opened = [];
  addEventListener("beforeprint", () => {
    const wanted = "details.gateway, details.facts, .causes details, .headline details";
    opened = [...document.querySelectorAll(wanted)].filter((one) => !one.open);
    opened.forEach((one) => (one.open = true));
  });
  addEventListener("afterprint", () => opened.forEach((one) => (one.open = false)));

  if (!tools) return;
  const search = tools.querySelector("input");
  const chips = [...tools.querySelectorAll("[data-state]")];
  const status = tools.querySelector("[role=status]");
  const texts = all.map((one) => one.querySelector("summary").textContent.toLowerCase());
  let state = "";

  const show = () => {
    const terms = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    all.forEach((one, index) => {
      const fits = (!state || one.dataset.state === state) && terms.every((term) => texts[index].includes(term));
      one.hidden = !fits;
      shown += fits;
    });
    status.textContent = shown === all.length ? "" : `${shown} of ${all.length} shown`;
  };

  search.addEventListener("input", show);
  chips.forEach((chip) =>
    chip.addEventListener("click", () => {
      state = chip.dataset.state;
      chips.forEach((other) => other.setAttribute("aria-pressed", String(other === chip)));
      show();
    }),
  );
  const opener = tools.querySelector("[data-open]");
  opener.addEventListener("click", () => {
    const open = opener.textContent === "Open all";
    all.forEach((one) => (one.open = open && !one.hidden));
    opener.textContent = open ? "Close all" : "Open all";
  });
  tools.addEventListener("submit", (event) => event.preventDefault());
  tools.hidden = false;
})();
