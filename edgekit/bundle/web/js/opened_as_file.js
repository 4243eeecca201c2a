// Browsers load modules only from servers. This is not a module, so that it runs, and explains it, where they do not.

if (location.protocol === "file:") {
  const error = document.getElementById("error");
  error.textContent = "Open this page from a server: run `python -m http.server` in its folder, then open http://localhost:8000";
  error.hidden = false;
  document.getElementById("name").textContent = "Not loaded";
  document.querySelector("[role=status]").textContent = "Not loaded.";
}
