// Takes the new version of all apps, when the person says so, then shows the address that was asked for.
const workers = navigator.serviceWorker;
const button = document.getElementById("take");

function ready(registration) {
  button.disabled = false;
  button.textContent = "Take it";
  button.addEventListener("click", () => registration.waiting?.postMessage("take-over"));
}

const registration = await workers.getRegistration();
workers.addEventListener("controllerchange", () => location.reload());
registration.addEventListener("updatefound", () => {
  registration.installing?.addEventListener("statechange", () => registration.waiting && ready(registration));
});
if (registration.waiting) ready(registration);
else await registration.update();
