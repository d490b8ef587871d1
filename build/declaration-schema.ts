/** docs/schemas/jails.schema.json: what files of jails.d may declare, for editors and for programs that write them. */
import { RESOURCES, SIZES } from "../src/config/confine-values.ts";
import type { KeyTable } from "../src/config/keys.ts";
import { declaredUserKeys, jailKeys } from "../src/config/schemas/jails.ts";
import type { KeyDescription } from "../src/config/values.ts";
import { ALLOW } from "../src/known-programs/allow/table.ts";

/** The file in docs/schemas/. */
export const DECLARATION_SCHEMA_FILE = "jails.schema.json";

// In classes of characters: those that no line may have.
const CONTROLS = "\\x00-\\x08\\x0b-\\x1f\\x7f";
// Those of isspace(3). \s has others, and not the same ones in each validator.
const BLANKS = "\\t-\\r ";
/**
 * Text without blanks at its ends, and without some characters. No pattern may match one text in two ways: with each repetition
 * the time until it is refused would double.
 */
const word = (not: string) =>
  `[^${BLANKS}${not}${CONTROLS}](?:[^\\n${not}${CONTROLS}]*[^${BLANKS}${not}${CONTROLS}])?`;
// What follows would be a comment if the line were one of its own.
const NO_COMMENT = `(?![\\s\\S]*[${BLANKS}][#;])`;
/** Items at commas, of which a line may go over several. */
const list = (item: string) =>
  `[,${BLANKS}]*(?:${item})(?:[${BLANKS}]*,[,${BLANKS}]*(?:${item}))*[,${BLANKS}]*`;
const oneOf = (words: readonly string[]) => words.map((one) => one.replaceAll(".", "\\.")).join("|");

// Blanks at the end of an item are none of its name.
const COMPONENT = `(?!\\.{1,2}(?:[/,${BLANKS}]|$))(?:[^/,${BLANKS}${CONTROLS}]|[ \\t]+(?=[^,${BLANKS}]))+`;
const PORT = "0*(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])";
// Up to 4294967294, in at most 10 digits.
const UID =
  "(?:[0-3]?[0-9]{1,9}|4[01][0-9]{8}|42[0-8][0-9]{7}|429[0-3][0-9]{6}|4294[0-8][0-9]{5}|42949[0-5][0-9]{4}|429496[0-6][0-9]{3}|4294967[01][0-9]{2}|42949672[0-8][0-9]|429496729[0-4])";
const BOOLEAN = ["yes", "true", "on", "no", "false", "off"].map((text) =>
  [...text].map((letter) => `[${letter}${letter.toUpperCase()}]`).join(""),
);

function limitPattern(): string {
  const names = Object.keys(RESOURCES).filter((name) => name !== "cpu");
  const [sizes, numbers] = [true, false].map((size) => oneOf(names.filter((name) => name in SIZES === size)));
  return `(?:${numbers})[ \\t]+[0-9]{1,15}|cpu[ \\t]+0*[1-9][0-9]{0,14}|(?:${sizes})[ \\t]+[0-9]{1,15}[KMGT]?`;
}

const anyText = `${word("")}`;

/** The text of a value of each kind; a choice has words of its own. */
const PATTERNS: Readonly<Record<Exclude<KeyDescription["kind"], "choice">, string>> = {
  list: NO_COMMENT + list(word(",")),
  pairs: NO_COMMENT + list(`${word(",=")}[ \\t]*=[ \\t]*${word(",=")}`),
  text: anyText,
  flag: "[-+]?[0-9]+",
  yesno: [...BOOLEAN, "[01]"].join("|"),
  octal: "-1|0*[0-7]{1,3}",
  integer: "[0-9]+",
  decimal: "[0-9]+(?:\\.[0-9]+)?",
  execute: `any|(?=(?:[\\s\\S]*,)?[${BLANKS}]*system[${BLANKS}]*(?:,|$))${NO_COMMENT}${list(`system|/${word(",")}`)}`,
  allow: list(oneOf(Object.keys(ALLOW))),
  paths: `all|none|${NO_COMMENT}${list(`/|~/?|~?(?:/${COMPONENT})+/?`)}`,
  ports: `all|none|${list(PORT)}`,
  limits: list(limitPattern()),
  line: NO_COMMENT + anyText,
  lines: `(?:[^\\n${CONTROLS}]*\\n)*${anyText}(?:\\n[^\\n${CONTROLS}]*)*`,
};

/** A plain absolute path other than /. */
const PATH = `${NO_COMMENT}(?:/(?!\\.{1,2}(?:/|$))[^/:\\n${CONTROLS}]+)+`;
const NAME = `(?!\\.{1,2}$|group |member )[^-+#:,/${BLANKS}${CONTROLS}](?:[^:,/\\n${CONTROLS}]*[^:,/${BLANKS}${CONTROLS}])?`;
const LIVE = `/usr|/usr/local|/opt(?:/${COMPONENT})?`;

/** Keys whose value has a form that the table of keys does not know. */
const OWN: Readonly<Record<string, string>> = {
  jail: PATH,
  shell: PATH,
  home: PATH,
  uid: `(?!0+$|0*6553[45]$)${UID}`,
  comment: `[^:${BLANKS}${CONTROLS}](?:[^\\n\\t:${CONTROLS}]*[^:${BLANKS}${CONTROLS}])?`,
  // A line that is no comment.
  authorized_keys: `(?=(?:[\\s\\S]*\\n)?[ \\t]*[^#${BLANKS}])(?:${PATTERNS.lines})`,
  groups: NO_COMMENT + list(NAME.replaceAll("$", `[${BLANKS}]*(?:,|$)`)),
  live: NO_COMMENT + list(LIVE),
};

function valueSchema(key: string, { kind, choices, help }: KeyDescription): object {
  const about = { description: help, type: "string" };
  if (kind === "choice") return { ...about, enum: Object.keys(choices ?? {}) };
  return { ...about, pattern: `^(?:${OWN[key] ?? PATTERNS[kind]})$` };
}

function sectionSchema(description: string, table: KeyTable, required: readonly string[]): object {
  const keys = Object.entries(table);
  const plain = keys.filter(([, { family }]) => family === undefined);
  const families = keys.filter(([, { family }]) => family !== undefined);
  return {
    description,
    type: "object",
    properties: Object.fromEntries(plain.map(([key, facts]) => [key, valueSchema(key, facts)])),
    ...(families.length > 0 && {
      patternProperties: Object.fromEntries(
        families.map(([key, facts]) => [`^${key} [A-Za-z0-9._-]{1,64}$`, valueSchema(key, facts)]),
      ),
    }),
    ...(required.length > 0 && { required }),
    additionalProperties: false,
  };
}

/** The schema of a declaration as readers of ini files return it: an object for each section, with text for each key. */
export function declarationSchema(): object {
  const jail = sectionSchema("What the jail at this path has.", jailKeys, []);
  const user = sectionSchema(
    "The account of this name. Besides its jail it needs a shell or rights, such as 'allow', unless it is in a directory.",
    declaredUserKeys,
    ["jail"],
  );
  const path = PATH.replace("[^/:", "[^/");
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "/etc/jailkit/jails.d/*.ini",
    description:
      "Jails and users, as jails.ini(5) describes them: an object for each section, with text for each key; a value of several lines has newlines. 'jailkit config check' finds more: keys that contradict each other, and what a machine does not have.",
    type: "object",
    patternProperties: {
      [`^jail (?![\\s\\S]*[${BLANKS}]$)${path}$`]: jail,
      [`^user (?!DEFAULT$)${NAME}$`]: user,
    },
    additionalProperties: false,
  };
}
