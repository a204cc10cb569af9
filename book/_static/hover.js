// Escape puts a definition away; leaving its term brings it back for the next time.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  document.querySelectorAll(".term:hover, .term:focus-within").forEach((term) => {
    term.classList.add("put-away");
    const back = () => term.classList.remove("put-away");
    term.addEventListener("mouseleave", back, { once: true });
    term.addEventListener("focusout", back, { once: true });
  });
});
