// Times in the reader's zone, and that zone for a schedule. Without this every time is UTC, and says so.
(() => {
  document.documentElement.classList.add("scripted");
  const words = new Intl.DateTimeFormat("en-GB", {
    day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", timeZoneName: "short",
  });
  const adjust = (place) => {
    for (const time of place.querySelectorAll("time[datetime]:not([title])")) {
      time.title = time.textContent;
      time.textContent = words.format(new Date(time.dateTime));
    }
    for (const zone of place.querySelectorAll("input[name=timezone]")) {
      zone.value ||= words.resolvedOptions().timeZone;
    }
  };
  adjust(document);
  document.addEventListener("htmx:load", (event) => adjust(event.detail.elt));
})();
