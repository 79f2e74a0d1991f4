// Builds editor.bundle.js and icons.bundle.js (the sprite) and, with `--out DIR`, copies the fonts to DIR/fonts.
// Third-party code and files are made here and never committed.
import { build } from "esbuild";
import { copyFile, mkdir, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { ICONS } from "./icons.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const modules = join(here, "node_modules");
const out = process.argv.indexOf("--out");
const fonts = out > 0 ? join(process.argv[out + 1], "fonts") : null;

const icons = {
  name: "icons",
  setup(esbuild) {
    esbuild.onResolve({ filter: /^virtual:icons$/ }, (request) => ({ path: request.path, namespace: "icons" }));
    esbuild.onLoad({ filter: /.*/, namespace: "icons" }, async () => {
      const symbols = await Promise.all(ICONS.map(async (name) => {
        const svg = await readFile(join(modules, "@phosphor-icons/core/assets/regular", name + ".svg"), "utf8");
        const inner = /<svg[^>]*>(.*)<\/svg>/s.exec(svg)[1];
        return `<symbol id="i-${name}" viewBox="0 0 256 256">${inner}</symbol>`;
      }));
      return { contents: `export default ${JSON.stringify(`<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>`)}`, loader: "js" };
    });
  },
};

for (const [entry, outfile] of [["index.js", "editor.bundle.js"], ["icons.js", "icons.bundle.js"]]) await build({
  entryPoints: [join(here, "src", entry)],
  outfile: join(here, outfile),
  bundle: true,
  format: "esm",
  target: "es2022",
  minify: true,
  legalComments: "none",
  plugins: [icons],
  logLevel: "warning",
});

const FONTS = [
  ["inter", "inter-latin-wght-normal.woff2"],
  ["inter", "inter-latin-wght-italic.woff2"],
  ["jetbrains-mono", "jetbrains-mono-latin-wght-normal.woff2"],
];
if (fonts) {
  await mkdir(fonts, { recursive: true });
  for (const [family, file] of FONTS) {
    await copyFile(join(modules, "@fontsource-variable", family, "files", file), join(fonts, file));
  }
}
