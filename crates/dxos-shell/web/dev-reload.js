// Dev builds only: reloads the page when `cargo xtask dev` has built a new one.
export function reloadOnChange() {
  let seen = null;
  const events = new EventSource("/dev/reload");
  events.onmessage = ({ data }) => {
    if (seen !== null && seen !== data) location.reload();
    seen = data;
  };
}
