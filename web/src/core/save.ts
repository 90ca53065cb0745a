/** Has the browser fetch a file, as a click on its link would. What it is called the server says, unless `name` does. */
export function save(url: string, name = ""): void {
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
}

/** The same for a text that is here already. */
export function saveText(text: string, type: string, name: string): void {
  const url = URL.createObjectURL(new Blob([text], { type }));
  save(url, name);
  URL.revokeObjectURL(url);
}
