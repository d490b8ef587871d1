/** What is taken out of a file of the administrator, or of a user, leaves the rest as it is. */
import { expect, test } from "bun:test";
import { withoutSection } from "../../src/config/write.ts";
import { withoutKeys } from "../../src/users/key-text.ts";

test.each<[text: string, without: string | undefined]>([
  ["[u]\na = 1\n", ""],
  ["[v]\na = 1\n\n[u]\na = 1\n", "[v]\na = 1\n"],
  ["[u]\na = 1\n\n# of v\n[v]\na = 1\n", "\n# of v\n[v]\na = 1\n"],
  ["# top\n[w]\nb = 2\n[u]\n# in u\na = 1\n; end\n[v]\n", "# top\n[w]\nb = 2\n; end\n[v]\n"],
  ["[u]\n[u]\na = 1\n", "[u]\na = 1\n"],
  ["[u]\na = 1", ""],
  ["[v]\na = 1\n", undefined],
  ["# [u]\n", undefined],
])("a section %j", (text, without) => {
  expect(withoutSection(text, "u", "c")).toBe(without);
});

test("lines that mean nothing go with their section", () => {
  expect(withoutSection("[u]\nnonsense\n[v]\na = 1\n", "u", "c")).toBe("[v]\na = 1\n");
});

const KEYS = [
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEGGvDPaGZLNF4BLMyIR0NNBVcL9zNTjTe1dUcTcfFPO",
  "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA9qZBzgqsp6yFdaZZuxVPZ8nQnbIDL9cQ1PpDIYhzmB",
] as const;

test.each<[text: string, without: string | undefined]>([
  [`${KEYS[0]}\n`, ""],
  [`# mine\nrestrict ${KEYS[0]} c\n${KEYS[1]}\n${KEYS[0]}`, `# mine\n${KEYS[1]}`],
  [`#${KEYS[0]}\n${KEYS[1]}\n`, undefined],
  ["", undefined],
])("a key %j", (text, without) => {
  expect(withoutKeys(text, new Set([KEYS[0]])).text).toBe(without);
});
