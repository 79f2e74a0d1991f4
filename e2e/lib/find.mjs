// Searches bytes for planted words, in the forms they could leak in.

/** The forms of a word: UTF-8, UTF-16, base64 at each of its three offsets, hex, percent encoding. */
export function forms(word) {
  const utf8 = Buffer.from(word, "utf8");
  const list = [utf8, Buffer.from(word, "utf16le"), Buffer.from(utf8.toString("hex")), Buffer.from(encodeURIComponent(word))];
  for (const offset of [0, 1, 2]) {
    const shifted = Buffer.concat([Buffer.alloc(offset), utf8]).toString("base64").replace(/=+$/, "");
    // The first and last digits depend on the neighbours.
    const inner = shifted.slice(offset === 0 ? 0 : offset + 1, -1);
    if (inner.length >= 8) list.push(Buffer.from(inner), Buffer.from(inner.replaceAll("+", "-").replaceAll("/", "_")));
  }
  return list;
}

/** The words that occur in `bytes` in any form. */
export function found(bytes, words) {
  return words.filter((word) => forms(word).some((form) => bytes.includes(form)));
}
