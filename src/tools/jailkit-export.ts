import { type ByteString, fromBytes, toBytes } from "../../ffi/bytes.ts";
import { AT_FDCWD } from "../../ffi/constants.ts";
import { readLink } from "../../ffi/files.ts";
import { absolutePath } from "../../ffi/guard.ts";
import { display, quoted } from "../cli/display.ts";
import { answered, describeError, isReported, JailkitError, UsageError } from "../cli/error.ts";
import { onlyJail } from "../cli/jail-operand.ts";
import { JSON_OUTPUT, jailOption } from "../cli/options.ts";
import { jsonDocument, printError, printJson, printLine } from "../cli/output.ts";
import { defineTool } from "../cli/tool.ts";
import { LIMITS } from "../config/model.ts";
import { dropInName } from "../config/write.ts";
import {
  declaredBeside,
  isForDeclarations,
  requireReadThere,
  withoutDeclared,
} from "../declaration/elsewhere.ts";
import { gatherDeclaration } from "../declaration/gather.ts";
import { declarationText } from "../declaration/write.ts";
import { readJailFile, withTree } from "../jail/fs/look.ts";
import { putFile } from "../jail/fs/write.ts";
import { isHostDirectory } from "../system/host-files.ts";
import { documentOf, parseTransfer } from "../transfer/document.ts";
import { gather } from "../transfer/gather.ts";

const NAME = "jailkit export";

/**
 * Creates a file by one rename, so that nobody reads a part of it; with `replace`, also in place of another one. False if
 * something is there that stays. Throws JailkitError, SystemError.
 */
function writeFile(file: ByteString, text: ByteString, replace: boolean): boolean {
  const attributes = { mode: 0o600, uid: 0, gid: 0 };
  return withTree((tree) => putFile(tree, file, toBytes(text), attributes, { replace })) !== "kept";
}

const isNoFile = (file: ByteString) =>
  new JailkitError("output", 1, `${display(file)} is a directory: name a file in it`);

function replaceFile(file: ByteString, text: ByteString): void {
  // What would be in the way of a file elsewhere is not to be moved away here.
  if (isHostDirectory(file)) throw isNoFile(file);
  if (!writeFile(file, text, true)) throw new JailkitError("output", 1, `${display(file)} is not a file`);
}

/** Comments of an export about what it does not write: what is written meanwhile is not lost. */
const OWN_COMMENT = /^# (?:left out: |has no record of its sections and files; )/;

/** The lines of a declaration that say something, each with the section that it is in; a comment may be anywhere. */
function linesOf(text: ByteString): ByteString[] {
  let section = "";
  return text.split("\n").flatMap((line) => {
    if (line.startsWith("[")) section = line;
    if (line === "" || OWN_COMMENT.test(line)) return [];
    if (line.startsWith("#")) return line;
    return `${section}\n${line}`;
  });
}

/** Throws JailkitError for a file with lines that a new text has not: somebody may have written them by hand. */
function requireKept(file: ByteString, text: ByteString): void {
  const old = withTree((tree) => readJailFile(tree, file, LIMITS.plainFileBytes));
  if (old === undefined) return;
  const kept = new Set(linesOf(text));
  if (linesOf(fromBytes(old)).every((line) => kept.has(line))) return;
  const message = `${display(file)} exists already, and has lines that would be lost: name a new file with -o`;
  throw new JailkitError("output", 1, message);
}

/** Throws JailkitError for what is no file for `jailkit import`: a directory, or a place of declarations, all of which count. */
function requireNotDeclared(file: ByteString, asFolder: boolean): void {
  if (isForDeclarations(file)) {
    const message = `${display(file)} is a place for declarations: name a file elsewhere, or add --declaration`;
    throw new JailkitError("output", 1, message);
  }
  if (asFolder) throw isNoFile(`${file}/`);
}

/** Why a new file is not written; undefined if it is. */
function newFileFault(file: ByteString, text: ByteString): string | undefined {
  try {
    return writeFile(file, text, false) ? undefined : `${display(file)} exists already`;
  } catch (error) {
    if (!isReported(error)) throw error;
    return describeError(error);
  }
}

/** Why the file has not the form that an import wants; undefined if it has. */
function importRefusal(document: object): string | undefined {
  try {
    parseTransfer(toBytes(jsonDocument(document)));
    return undefined;
  } catch (error) {
    return describeError(error);
  }
}

const HEADING = `# Written by '${NAME} --declaration'; without passwords and files. See jails.ini(5).\n`;

/** False for comments alone, about what others declare. */
const hasSection = ({ text }: { readonly text: ByteString }): boolean =>
  text.split("\n").some((line) => line.startsWith("["));

/** Writes a declaration of jails, all that are known if none is named; returns the exit status. */
function exportDeclaration(named: readonly ByteString[], keys: boolean, output?: ByteString): number {
  // Standard output may be a file there, too, or a pipe, which has no path.
  const target = output === undefined ? answered(() => readLink(AT_FDCWD, "/proc/self/fd/1")) : output;
  const beside = target?.startsWith("/") ? declaredBeside(target, output !== undefined) : undefined;
  const found = gatherDeclaration(named.map(absolutePath), { keys });
  const { rest: gathered, leftOut: declared } = withoutDeclared(found, beside);
  const { jails, leftOut } = declarationText(gathered, gathered.comments, beside?.users);
  const problems = [...gathered.problems];
  if (output !== undefined && isHostDirectory(output)) {
    for (const { path, text } of jails.filter(hasSection)) {
      const fault = newFileFault(`${output}/${dropInName(path)}`, `${HEADING}\n${text}`);
      const other = beside === undefined ? "" : "; name a new file for it with -o";
      if (fault !== undefined) problems.push(`left out: jail ${quoted(path)}: ${fault}${other}`);
    }
  } else {
    const head = HEADING + problems.map((problem) => `# ${problem}\n`).join("");
    const text = [head, ...jails.map((jail) => jail.text)].join("\n");
    if (text.length > LIMITS.plainFileBytes) {
      const most = `more than ${LIMITS.plainFileBytes} bytes, which 'jailkit apply' refuses`;
      problems.push(`the declaration has ${most}: name a directory with -o, for a file for each jail`);
    }
    if (output === undefined) printLine(text.slice(0, -1));
    else {
      requireKept(output, text);
      replaceFile(output, text);
    }
  }
  for (const line of [...declared, ...gathered.warnings, ...leftOut]) printError(`${NAME}: warning: ${line}`);
  for (const line of problems) printError(`${NAME}: ${line}`);
  return problems.length === 0 ? 0 : 1;
}

/** `jailkit export`: writes what a jail was made from. */
export const tool = defineTool({
  name: NAME,
  summary: "write down a jail for 'jailkit import' on another machine, or all jails for 'jailkit apply'",
  synopsis: ["[OPTION...] JAIL", "[OPTION...] -j JAIL", "--declaration [OPTION...] [JAIL...]"],
  options: {
    jail: jailOption("the jail"),
    declaration: {
      description:
        "write jails and their users as 'jailkit apply' reads them: the named ones, or all that are known",
    },
    withoutKeys: {
      description: "with --declaration: without the keys in authorized_keys of the homes",
      needs: "declaration",
    },
    output: {
      short: "o",
      value: "FILE",
      description:
        "write to FILE, which only root can read, instead of standard output; with --declaration, if FILE is a directory, a new file for each jail; if that is named jails.d, for those that no other file there declares; a file whose lines would be lost is not replaced",
    },
    json: JSON_OUTPUT,
  },
  exitStatus: {
    0: "everything was written, except for what a warning names",
    1: "nothing was written; with --declaration, a jail was left out, or the file is too large; the message says why",
    2: "no jail was named, or more than one, without --declaration; --json with it, or --without-keys without it",
  },
  notes: `The output is a JSON object (--json prints it also with -o): the sections and files that were requested for the jail, sections of the administrator, the users of the jail with their uids and groups, what the limited shell allows them, the limits of the log socket, and what the jail does without. It has no passwords and no files. A warning names what else the machine has for the jail.

'jailkit import' makes the same jail from the programs of another machine. Homes and other files of users are moved with rsync(1).

With --declaration the output is an ini file for /etc/jailkit/jails.d, so that nobody needs to type the first one. Applied to the same machine it changes nothing. A jail that jailkit 2.23 made has no record: its sections and files are not known before 'jailkit adopt'. What a declaration cannot say is left out, and a comment and a warning name it. In /etc/jailkit/jails.d, jails and users that other files there declare are left out, too.`,
  root: 5,
  run({ options, operands }) {
    const given = options.output === "-" ? undefined : options.output;
    const output = given === undefined ? undefined : absolutePath(given);
    const asFolder = given?.endsWith("/") ?? false;
    if (options.declaration) {
      if (options.json) throw new UsageError("--declaration is not JSON: omit --json", 2);
      const named = options.jail === undefined ? operands : [options.jail, ...operands];
      if (output !== undefined) requireReadThere(output, asFolder);
      return exportDeclaration(named, !options.withoutKeys, output);
    }
    if (output !== undefined) requireNotDeclared(output, asFolder);
    const { transfer, warnings } = gather(absolutePath(onlyJail(options.jail, operands, 2)));
    const document = documentOf(transfer);
    const refusal = importRefusal(document);
    if (refusal !== undefined) warnings.push(`'jailkit import' will refuse this: ${refusal}`);
    if (output !== undefined) replaceFile(output, jsonDocument(document));
    for (const warning of warnings) printError(`${NAME}: warning: ${warning}`);
    return { exitStatus: 0, report: () => document, print: () => output ?? printJson(document) };
  },
});
