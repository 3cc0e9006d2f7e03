// The page is whole without this: a switch between day and night, and a button that copies code.
const root = document.documentElement, theme = document.getElementById("theme");
theme.hidden = false;
theme.onclick = () => {
  const dark = getComputedStyle(root).colorScheme === "dark" ||
    !root.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
};
for (const block of document.querySelectorAll(".code")) {
  const button = Object.assign(document.createElement("button"), { type: "button", textContent: "Copy" });
  button.onclick = async () => {
    await navigator.clipboard.writeText(block.querySelector("code").textContent);
    button.textContent = "Copied";
  };
  block.append(button);
}
