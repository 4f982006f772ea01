// The page of games: a release that was added shows where the others are.

document.addEventListener("added", () => location.reload());
