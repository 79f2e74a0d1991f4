import test from "node:test";
import assert from "node:assert/strict";
import { continuation } from "../src/lists.js";
import { safeAddress } from "../src/preview.js";

test("lists and quotes go on, an empty item ends", () => {
  const check = (line, next) => assert.equal(continuation(line), next, line);
  check("- one", "- ");
  check("  * one", "  * ");
  check("9. nine", "10. ");
  check("- [x] done", "- [ ] ");
  check("> said", "> ");
  check("> - both", "> - ");
  check("- ", "");
  check("- [ ] ", "");
  check("> ", "");
  check("plain", null);
  check("-no list", null);
});

test("links open only what is safe", () => {
  assert.equal(safeAddress("https://a.example"), "https://a.example");
  assert.equal(safeAddress("www.a.example"), "https://www.a.example");
  assert.equal(safeAddress("javascript:alert(1)"), null);
  assert.equal(safeAddress("data:text/html,x"), null);
});
