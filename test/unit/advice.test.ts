/**
 * No message of ours advises to remove what somebody made. Every text in the source that has such a word in it is
 * listed here, with what it is about: a new one has to be thought of.
 */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";

const root = join(import.meta.dir, "../../src");
const ADVICE = /\b(?:rm|rmdir|unlink|remov\w+|delet\w+|wipe|purge|truncate|reset)\b/i;

// What a tool does, or did, or that is gone; never what somebody should do.
const TELLS =
  /\b(?:removed|removes|removing|deleted|deletes|was removed|to remove|be removed|not removed|stays|nothing (?:to|is) remove)/i;

/** Texts of more than one word, or of a command, between quotes in one line. */
function texts(source: string): string[] {
  return source
    .split("\n")
    .filter((line) => !/^\s*(?:\/\/|\*|\/\*|import )/.test(line))
    .flatMap((line) => [...line.matchAll(/(["'`])((?:(?!\1)[^\\]|\\.)*)\1/g)].map((match) => match[2] ?? ""));
}

/** What is advised nevertheless: the text, and why it destroys nothing. */
const ALLOWED: Readonly<Record<string, string>> = {
  // Names of options, actions and files, and what an option does.
  remove: "the name of an action",
  "cannot-remove": "a code",
  "--remove": "an option",
  removal: "the name of a part of a schema",
  "./remove.ts": "a module",
  "./remove-home.ts": "a module",
  "../update/remove.ts": "a module",
  "./jailkit-delete.ts": "a module",
  "../../update/remove-extras.ts": "a module",
  "jailkit delete": "a command",
  "delete a jail": "what the command is for",
  "delete a jail, with its log socket, its mounts and its record": "what the command is for",
  "Delete ${display(plan.jail)}? [y/N] ": "a question",
  "[OPTION...] --remove -j JAIL FILE...": "a synopsis",
  "[OPTION...] --remove -j JAIL SECTION...": "a synopsis",
  "also remove files that the host lacks, even if they were created in the jail or belong to users":
    "what an option does",
  "remove FILE again, with everything that nothing else needs": "what an option does",
  "remove the sections again, with everything that nothing else needs": "what an option does",
  "would remove ${quoted(user.name)} from the jail's account files": "what --dry-run tells",
  "delete files of users too, also of accounts that are not in /etc/passwd; without it they are a reason to refuse":
    "what an option does",
  "also remove what was declared once and is not any more: jails and all that their keys declare, users, groups, keys, rights":
    "what an option does",
  "with --prune, also delete the homes of accounts that apply created": "what an option does",
  "jailkit apply does not know where the homes of accounts are now (${which}), and leaves them there with --delete-homes":
    "says what an option leaves",
  "btrfs subvolume delete --subvolid=${id} ${operands(mount)}":
    "deletes a part of a home or jail that root has asked to remove",
  "--delete-homes would remove it": "says what an option would do",
  "--delete-homes without --prune, or --config-dir without --check or with FILE": "what an exit status means",
  "nothing is declared, and there is no file in jails.d: --prune would remove everything; to do that, create an empty one there":
    "a refusal, so that a lost file removes nothing",
  "there is no file in jails.d any more: --prune would remove all that such files declared; to do that, create an empty one there":
    "a refusal, so that lost files remove nothing",
  "--prune would remove ${nameOf(gone)}${others}, which ${quoted(first)} may declare: that is not read; if it does not count any more: ${rename}":
    "a refusal, so that a misnamed file removes nothing",
  "./remove-extras.ts": "the name of a module",
  reset: "an action of pam.conf(5)",
  "write (truncate)": "what the kernel can confine",
  "delete delete-after delete-before delete-delay delete-during delete-excluded delete-missing-args":
    "options of rsync",
  "groupmap iconv info log-format max-alloc max-delete max-size min-size modify-window": "options of rsync",
  "remove-sent-files remove-source-files": "options of rsync",
  "Downloads with rsync(1); as rsync, without options that remove files.": "what a word of jk_lsh.ini allows",
  "options that remove files are not allowed in a download": "a refusal",
  "jailkit apply may take accounts for those of before that it created (${which}), and remove them: ${describeError(error)}":
    "a warning of what a later run may do",
  "${what}, and remove it: ${describeError(error)}": "a warning of what a later run may do",
  "would remove what the kernel has of it: ${ipcText(objects)}": "what a run would do",
  // Advice.
  "remove what the kernel has of the uid, and run this again: ${remedy}": "no account has it any more",
  "faillock --user ${shellWord(name)} --reset": "sets a counter to zero",
  '${first}jailkit delete${unjail ? " --unjail" : ""} --user-files ${shellWord(jail)}':
    "where a jail is being deleted",
  "${keep}take them out, or delete them with: ${withUserFiles(request)}": "where a jail is being deleted",
  "take their files out, or delete these with: ${withUserFiles(plan.request)}":
    "where a jail is being deleted",
  "${shown}: users live in it (${names}): use: ${first}jailkit delete --unjail ${shellWord(jail)}; or take them out first: ${leave}":
    "where a jail is being deleted",
  "${quoted(normalPath(home))} of uid ${uid}, which earlier runs left, is on a file system that is not mounted there any more: mount that; or, if nothing with this uid is left, also there: jailkit delete ${operands(jail)}":
    "where a jail is being deleted",
  "jailkit apply --prune --delete-homes":
    "of homes whose users have gone, beside the command that keeps them",
  rm: "of symbolic links of root in a jail, and nothing else: see src/jail/fs/safety.ts",
  "${make} && ${show} || ! rm -f ${operands(copy)}": "of the copy that the same command has made",
  rmdir: "of a mount point, which has nothing in it",
  "rmdir ${operands(place)}": "of a mount point, which has nothing in it",
  "rmdir ${operands(from)}":
    "of an empty directory that came to the path of a jail: rmdir(1) removes no other",
  "find ${word} -uid ${uid} ! -type f ! -type d -delete":
    "of a link, FIFO or socket that nobody has any more",
  "find ${word} -maxdepth 1 -uid ${uid} -type f -exec chmod go-w {} + -o -uid ${uid} ! -type d -delete":
    "of links, FIFOs and sockets that nobody has any more",
  "delete that first": "where a jail is being deleted",
  "${display(jail)}: another jail is in it, ${display(inside)}: delete that first":
    "where a jail is being deleted",
  "${display(path)} is missing: 'jailkit forget' drops its record; if it was moved: ${followRemedy(path, \"NEW\")}":
    "nothing is there any more",
  'remove its section from ${files.map(display).join(" and ")}': "of a jail that is missing and not needed",
};

test("no text advises removing anything", () => {
  const found: string[] = [];
  for (const file of new Bun.Glob("**/*.ts").scanSync({ cwd: root })) {
    for (const text of texts(readFileSync(join(root, file), "latin1"))) {
      if (!ADVICE.test(text.replace(/\$\{[^}]*\}/g, "")) || TELLS.test(text) || text in ALLOWED) continue;
      found.push(`${file}: ${text}`);
    }
  }
  expect(found.sort()).toEqual([]);
});
