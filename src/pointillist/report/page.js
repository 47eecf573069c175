"use strict";
// Without this script all snapshots are shown, each under its epoch.
const slider = document.getElementById("moment");
if (slider) {
  const sheets = [...document.querySelectorAll("[data-epoch]")];
  const show = () => {
    const chosen = sheets[Number(slider.value)];
    for (const sheet of sheets) sheet.hidden = sheet !== chosen;
    document.getElementById("when").textContent = chosen.dataset.epoch;
    slider.setAttribute("aria-valuetext", `epoch ${chosen.dataset.epoch}`);
  };
  slider.addEventListener("input", show);
  // A browser may bring back the place where the slider stood before the page was loaded again.
  window.addEventListener("pageshow", show);
  slider.parentElement.hidden = false;
  show();
}
