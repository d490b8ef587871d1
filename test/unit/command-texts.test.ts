/**
 * What stands in a command that is printed is a word of a shell: each text of the source that has a command in it is looked
 * at, and what is filled in behind the command's name goes through shellWord, operands or appendCommand, or is a number, a
 * constant, or listed here with the reason. A new one has to be thought of. What comes out is in shell-words.test.ts.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "../../src");

const NAMES =
  "chage|chgrp|chmod|chown|cp|echo|faillock|getent|gpasswd|groupadd|groupdel|groupmod|kill|mkdir|mknod|mount|mv|passwd|" +
  "printf|rm|runuser|setcap|setfacl|systemctl|touch|umount|useradd|userdel|usermod|" +
  "jailkit (?:adopt|config|delete|disk|explain|list|log-sockets|status|terminate-user)";
// Of these, only with an option: the rest of the time they are words of a sentence.
const WITH_OPTION = "find \\S+|install|jk_\\w+|ln|ls|sed|stat";
const COMMAND = new RegExp(
  `(?:^|[\\s\`'"(])(?:(?:${NAMES}) |(?:${WITH_OPTION}) -)|^\`\\$\\{(?:\\w+\\.)?(?:command|remedy)\\} `,
);
const MAKES_WORDS = "(?:shellWord|operands|appendCommand)\\(";
/** A call that makes words, with what is between its parentheses. */
const CALL = new RegExp(`\\b${MAKES_WORDS}(?:[^()\`]|\\((?:[^()\`]|\`[^\`]*\`)*\\)|\`[^\`]*\`)*\\)`, "g");
const HARMLESS = /^(?:WORD|string|[A-Z][A-Z_]+|(?:\w+\.)*[ug]id|rdevM\w+)$/;

const ALLOWED: Readonly<Record<string, string>> = {
  "sed -i '${index + 1}s/^/#/' ${WORD}": "a number",
  "chown -hR --from=+${uid} ${owner} ${word}": "a number, and root",
  "chmod ${change}": "a mode of our own",
  "chmod ${octal(mode)} ${WORD}": "a mode",
  "chmod ${octal(mode)} ${word}": "a mode",
  "mount -o ${options} ": "options of our own, and a word",
  "mkdir -p ${WORD} && ${mount}": "a command",
  "mv -nT ${WORD} ${WORD} && ${copy}": "a command",
  "mv -nT ${word} ${WORD} && ${make}": "a command",
  "mv -nT ${WORD} ${kept} && ${copy}": "a command",
  'setfacl ${remedy.slice("setfacl ".length, -word.length)}': "entries of an ACL",
  "setfacl -m u:${uid}:${letters} ${word}": "letters of a mode",
  "chmod a+${letters} ${word}": "letters of a mode",
  "mknod -m ${bits} ${WORD} c ${rdevMajor} ${rdevMinor}": "a mode",
  "run this outside it: mknod -m ${octal(entry.mode & 0o777)} ${WORD} ${numbers}": "b or c, and numbers",
  'chown ${owner === 0 ? "root" : owner} ${word}': "a number",
  '; chown ${owner === 0 ? "root" : owner} it': "a number",
  "for a user who logs in by a key: chage -d ${day} ${user}": "a number",
  "sed -i '${line}s/^/#/' ${WORD}": "a number",
  "jk_init -j ${WORD} ${section}": "a section of the table of services",
  'jk_jailuser --unjail ${move ? "-m " : ""}${WORD}': "an option",
  "jk_jailuser -n${side} -j ${WORD} ${option} ${WORD}": "options of our own",
  "jk_jailuser --unjail ${out}": "words",
  'kill -KILL ${pids.join(" ")}': "numbers",
  "jailkit delete --unjail ${WORD}; or take them out first: ${leave}": "a command",
  "jailkit adopt --moved ${WORD} NEW${leave}": "the rest of a sentence",
  "touch ${allow}; or": "/etc/cron.allow or /etc/at.allow",
  'setcap cap_sys_chroot+ep "$(command -v ${tool})"': "the name of a tool",
  "${remedy} ${WORD}": "a command without the path",
  "${command} ${WORD}": "a command without the path",
  "-o remount,${kept} ${word}": "names of options",
  "jailkit adopt --moved ${from} ${to}; then ${lines}": "words, and lines for a file",
  // No commands.
  "usermod reported success": "a sentence",
  "useradd reported success": "a sentence",
  "${command} needs ${blocked}": "a sentence",
  "did neither find a section": "a sentence",
  '"$(printf ': "what makes the words",
  "runuser -u ${WORD} -- ${command} ${WORD}": "a command without its paths",
  "jk_chrootlaunch -j ${word} -u ${user} -x ${place} -- ${words}": "the path of a program, and words",
  "jk_cp -j ${word} ${place} && ${run}": "the path of a program, and a command",
};

/** What is filled in behind the name of a command and is no word, in a line of the source of a file. */
function openIn(line: string, isWord: (name: string) => boolean): string[] {
  let left = line;
  for (let before = ""; before !== left; ) {
    before = left;
    left = left.replace(CALL, "WORD");
  }
  return [...left.matchAll(/`[^`]*`/g)].flatMap(([text]) => {
    const at = COMMAND.exec(text)?.index;
    if (at === undefined || Object.keys(ALLOWED).some((one) => text.includes(one))) return [];
    const filled = [...text.slice(at).matchAll(/\$\{([^}]*)\}/g)].map((match) => match[1] ?? "");
    return filled.some((one) => !HARMLESS.test(one) && !isWord(one)) ? [text] : [];
  });
}

test("every name and path in a command is quoted for a shell", () => {
  const found: string[] = [];
  for (const file of new Bun.Glob("**/*.ts").scanSync({ cwd: root })) {
    const source = readFileSync(join(root, file), "latin1");
    const isWord = (name: string) =>
      /^\w+$/.test(name) &&
      new RegExp(`\\b${name} = ${MAKES_WORDS}|\\[(?:\\w+, )*${name}\\b[^=]*\\] = \\[${MAKES_WORDS}`).test(
        source,
      );
    for (const line of source.split("\n").filter((one) => !/^\s*(?:\/\/|\*|\/\*|import )/.test(one)))
      found.push(...openIn(line, isWord).map((text) => `${file}: ${text}`));
  }
  expect(found.sort()).toEqual([]);
});

// What is there keeps its name and its content: without -T a directory takes what is moved, without -n a file is lost.
const CARELESS = /\bmv (?!-nT\b)/;
// No commands, what goes into a directory that the same command makes, and what asks, or is asked by words: a copy over its file, which is missing at no moment.
const NOT_CARELESS = /\bmv: \{|mv\(1\)|mkdir -m 0700 \$\{folder\} && mv -n |mv -iT |"mv -T", copy, path/;

test("what is moved away replaces nothing, and does not go into a directory", () => {
  const found: string[] = [];
  for (const file of new Bun.Glob("**/*.ts").scanSync({ cwd: root }))
    for (const line of readFileSync(join(root, file), "latin1").split("\n"))
      if (!/^\s*(?:\/\/|\*|\/\*|import )/.test(line) && CARELESS.test(line) && !NOT_CARELESS.test(line))
        found.push(`${file}: ${line.trim()}`);
  expect(found).toEqual([]);
});

const SAMPLES: Readonly<Record<string, number>> = {
  "`chmod go-w ${path}`": 1,
  "`mend it with: jk_cp -j ${shellWord(`${jail}/x`)} ${copy}`": 1,
  "add(`${remedy} ${path}`)": 1,
  "`chmod go-w ${word} && chown ${uid} ${operands(a, `${b}.old`)}`": 0,
  "`${path} can be written by others`": 0,
};
test.each(Object.entries(SAMPLES))("in %s: %d", (line, count) => {
  expect(openIn(line, (name) => name === "word")).toHaveLength(count);
});
