import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { SESSION_FILTERS } from "../../ffi/seccomp.ts";
import type { Architecture } from "../guard.ts";
import { Decisions } from "./decisions.ts";
import { compileFilter } from "./libseccomp.ts";
import { programOf } from "./program.ts";
import { proofsFor } from "./proofs.ts";
import { FilterError, type FilterText, parseFilter } from "./text.ts";

const root = join(import.meta.dir, "../..");
const FOLDER = "config/filters";

/** The files with the compiled filters: of JavaScript, and those of sessions, which the guard has. */
export const WORDS = { script: "src/confine/filter-words.ts", guard: "ffi/guard/filter-words.h" } as const;

const textOf = (file: string) => readFileSync(join(root, FOLDER, file), "utf8");

const files = (folder = root) =>
  readdirSync(join(folder, FOLDER))
    .filter((file) => file.endsWith(".filter"))
    .sort();

/** The filters of config/filters/, by name. Throws FilterError. */
export function readFilters(): Map<string, FilterText> {
  return new Map(
    files().map((file) => [file.replace(/\.filter$/, ""), parseFilter(textOf(file), join(FOLDER, file))]),
  );
}

/**
 * Filters that a session often has together, in the order in which they are installed one by one: they are one program
 * then, since the kernel takes some time for each program, and asks every one at each call.
 */
export const SETS: readonly (readonly string[])[] = ["", "network-local", "network-none"].flatMap((network) =>
  [[], ["tcp"], ["tcp", "tcp-listen"]].map((tcp) => [
    "login",
    ...(network === "" ? [] : [network]),
    ...tcp,
    "execute",
  ]),
);

/**
 * A filter, or several in one, as a short program: an array of struct sock_filter, two words each. It decides as the
 * programs of libseccomp do, one after the other. Throws FilterError.
 */
export function compileTogether(names: readonly string[], architecture: Architecture): Uint32Array {
  const filters = readFilters();
  const decisions = new Decisions();
  const each = names.map((name) => {
    const filter = filters.get(name);
    if (filter === undefined) throw new FilterError(`${name}: no such filter`);
    return decisions.read(compileFilter(filter, architecture, join(FOLDER, `${name}.filter`)));
  });
  return programOf(decisions.together(each));
}

/** The SHA-256 of what the words are made from in a copy of the project: the texts, and the code that compiles them. */
export function digest(folder = root): string {
  const hash = new Bun.CryptoHasher("sha256");
  const code = readdirSync(join(folder, "build/filters")).sort();
  const all = [
    ...files(folder).map((file) => join(FOLDER, file)),
    ...code.map((file) => join("build/filters", file)),
    "ffi/seccomp.ts",
  ];
  for (const file of all) hash.update(`${file}\n${readFileSync(join(folder, file), "utf8")}\n`);
  return hash.digest("hex");
}

/** Bytes as what is between the quotes of a string with a character for each. */
function asText(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) {
    const character = String.fromCharCode(byte);
    text += /^[\w +,.:;<=>?@^|~-]$/.test(character) ? character : `\\x${byte.toString(16).padStart(2, "0")}`;
  }
  return text;
}

const written = () => `ritten by npm run filters, from config/filters/ and build/filters/, whose SHA-256 is
// ${digest()}
`;

/** The text of WORDS.script, as it should be. Throws FilterError. */
function scriptWords(): string {
  const names = [...readFilters().keys()].filter((name) => !Object.hasOwn(SESSION_FILTERS, name));
  const constant = (architecture: Architecture) => {
    const entries = names.map((name) => {
      const { buffer } = compileTogether([name], architecture);
      return `  "${name}": () => "${asText(new Uint8Array(buffer))}",\n`;
    });
    return `const ${architecture} = {\n${entries.join("")}};\n`;
  };
  return `// W${written()}
${constant("x64")}
${constant("arm64")}
/**
 * The filters for the architecture of this program: each an array of struct sock_filter, a character for each byte. A
 * login takes longer for numbers than for a string, and loads only the strings of the functions that it calls.
 */
export const FILTER_WORDS = process.arch === "arm64" ? arm64 : x64;
`;
}

const BITS = Object.entries(SESSION_FILTERS);
const maskOf = (names: readonly string[]) =>
  BITS.reduce((mask, [name, bit]) => mask | (names.includes(name) ? bit : 0), 0);

/** The text of WORDS.guard, as it should be. Throws FilterError. */
function guardWords(): string {
  const all = [...BITS.map(([name]) => [name]), ...SETS];
  const part = (architecture: Architecture) => {
    const arrays: string[] = [];
    const programs: string[] = [];
    for (const [i, names] of all.entries()) {
      const words = compileTogether(names, architecture);
      arrays.push(`/* ${names.join(", ")} */\nstatic const u32 filter_${i}[] = {${words.join(",")}};\n`);
      programs.push(`  {${maskOf(names)}, ${words.length / 2}, filter_${i}},\n`);
    }
    const proofs = Object.entries(proofsFor(architecture)).map(
      ([name, { call, arguments: given, errno }]) =>
        `  {${maskOf([name])}, ${call}, {${given.join(", ")}}, ${errno}}, /* ${name} */\n`,
    );
    return (
      `${arrays.join("")}static const struct filter_program filter_programs[] = {\n${programs.join("")}};\n` +
      `static const struct filter_proof filter_proofs[] = {\n${proofs.join("")}};\n`
    );
  };
  return `// W${written()}
#ifdef __aarch64__
${part("arm64")}#else
${part("x64")}#endif
`;
}

/** The texts of WORDS, as they should be, by file. Throws FilterError. */
export const filterWords = (): ReadonlyMap<string, string> =>
  new Map([
    [WORDS.script, scriptWords()],
    [WORDS.guard, guardWords()],
  ]);

/** True if WORDS were written from the texts and the compiler that are there now; false if one is missing. */
export function areWordsCurrent(): boolean {
  const now = digest();
  return Object.values(WORDS).every((file) => {
    const path = join(root, file);
    return existsSync(path) && readFileSync(path, "utf8").includes(now);
  });
}
