// What stands still while a person is about to press it.

/** Whether the mouse is on what stands below what broke: one thing more would push it away. */
export function isHeld() {
  if (!matchMedia("(hover: hover)").matches) return false;
  const narrow = matchMedia("(max-width: 1180px)").matches;
  const below = narrow ? ".run .panel:not(#causes, #hanging):hover" : "#log:hover";
  return document.querySelector(below) !== null;
}
