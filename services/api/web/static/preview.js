// Fills in what an alert would bring while its form is being typed. Without it, a button does the same.
(() => {
  const form = document.querySelector("form.alert");
  const place = document.getElementById("preview");
  if (!form || !place) return;
  const zone = form.elements.timezone;
  if (zone && !zone.value) zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "";
  let timer, asked = 0;
  const refresh = async () => {
    const mine = ++asked;
    try {
      const answer = await fetch("/subscribe/preview", { method: "POST", body: new URLSearchParams(new FormData(form)) });
      const html = await answer.text();
      if (answer.ok && mine === asked) place.innerHTML = html;
    } catch {
      // The button is still there.
    }
  };
  if (form.querySelector("[name=topics]:checked, [name=query]:not([value=''])") && !place.querySelector(".days")) refresh();
  form.addEventListener("input", (event) => {
    if (event.target.closest(".channels")) return;
    clearTimeout(timer);
    timer = setTimeout(refresh, 300);
  });
})();
