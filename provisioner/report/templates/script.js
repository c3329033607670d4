"use strict";
(() => {
  const tools = document.querySelector(".tools");
  const all = [...document.querySelectorAll("details.gateway")];
  const far = document.querySelector("[data-facts]") !== null;

  // What leaves something to do, as the lists above have it: each cause with its gateways, by their ids.
  const links = (one) => new Set([...one.querySelectorAll(".names a")].map((link) => link.hash.slice(1)));
  const causes = [...document.querySelectorAll(".causes > li, .headline")].map((one) => ({
    cause: one.querySelector(".what, h3").textContent.trim().replace(/\s+/g, " "),
    control: one.dataset.control,
    owner: one.closest("[data-owner]")?.dataset.owner,
    at: links(one),
  }));

  // A gateway's facts may be in a file beside the page, which hands them over here.
  window.provisionerFacts = (id, text) => {
    const place = document.querySelector(`#${CSS.escape(id)} [data-facts]`);
    if (place) place.innerHTML = text;
  };
  const fetchFacts = (one) => {
    const place = one.querySelector("[data-facts]");
    if (!place || place.childNodes.length) return;
    // Until they are here, and where they do not come, what the page itself knows of it.
    const list = document.createElement("ul");
    causes
      .filter((found) => found.at.has(one.id))
      .forEach((found) => list.append(Object.assign(document.createElement("li"), { textContent: `${found.cause} (${found.owner})` })));
    place.append(list);
    const script = document.createElement("script");
    script.src = place.dataset.facts;
    script.onerror = () => {
      const words = `Its facts are not here: ${place.dataset.facts} is not beside this page.`;
      place.append(Object.assign(document.createElement("p"), { className: "problem", textContent: words }));
    };
    document.head.append(script);
  };
  all.forEach((one) => one.addEventListener("toggle", () => one.open && fetchFacts(one)));

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

  if (!tools) return;
  const search = tools.querySelector("input");
  const chips = [...tools.querySelectorAll("[data-state]")];
  const choices = [...tools.querySelectorAll("[data-by]")];
  const status = tools.querySelector("[role=status]");
  const texts = all.map((one) => one.querySelector("summary").textContent.toLowerCase());
  // A control's id and a finding's words are found too, where they leave something to do.
  const place = new Map(all.map((one, index) => [one.id, index]));
  causes.forEach((one) => one.at.forEach((id) => (texts[place.get(id)] += ` ${one.control} ${one.cause}`.toLowerCase())));
  let state = "";

  choices.forEach((choice) => {
    const values = [...new Set(causes.map((one) => one[choice.dataset.by]))].filter(Boolean).sort();
    choice.append(...values.map((value) => new Option(value.length > 90 ? `${value.slice(0, 90)}…` : value, value)));
  });

  const show = () => {
    const terms = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const chosen = choices.filter((choice) => choice.value);
    const fitting = causes.filter((one) => chosen.every((choice) => one[choice.dataset.by] === choice.value));
    const named = chosen.length ? new Set(fitting.flatMap((one) => [...one.at])) : null;
    let shown = 0;
    all.forEach((one, index) => {
      const fits =
        (!state || one.dataset.state === state) &&
        (!named || named.has(one.id)) &&
        terms.every((term) => texts[index].includes(term));
      one.hidden = !fits;
      shown += fits;
    });
    const [some, every] = [shown, all.length].map((number) => number.toLocaleString("en-GB"));
    status.textContent = shown === all.length ? "" : `${some} of ${every} shown`;
  };

  // What is asked for stands in the address, so that a link shows the same to whoever gets it.
  const keep = () => {
    const asked = new URLSearchParams();
    if (search.value) asked.set("q", search.value);
    if (state) asked.set("state", state);
    choices.forEach((choice) => choice.value && asked.set(choice.dataset.by, choice.value));
    history.replaceState(null, "", `#${asked}`);
  };
  const take = () => {
    if (!location.hash.includes("=")) return;
    const asked = new URLSearchParams(location.hash.slice(1));
    search.value = asked.get("q") ?? "";
    state = asked.get("state") ?? "";
    choices.forEach((choice) => (choice.value = asked.get(choice.dataset.by) ?? ""));
    chips.forEach((chip) => chip.setAttribute("aria-pressed", String(chip.dataset.state === state)));
    show();
  };
  const change = () => {
    show();
    keep();
  };

  search.addEventListener("input", change);
  choices.forEach((choice) => choice.addEventListener("change", change));
  chips.forEach((chip) =>
    chip.addEventListener("click", () => {
      state = chip.dataset.state;
      chips.forEach((other) => other.setAttribute("aria-pressed", String(other === chip)));
      change();
    }),
  );
  const opener = tools.querySelector("[data-open]");
  opener?.addEventListener("click", () => {
    const open = opener.textContent === "Open all";
    all.forEach((one) => (one.open = open && !one.hidden));
    opener.textContent = open ? "Close all" : "Open all";
  });
  tools.addEventListener("submit", (event) => event.preventDefault());
  addEventListener("hashchange", take);
  tools.hidden = false;
  take();
})();
