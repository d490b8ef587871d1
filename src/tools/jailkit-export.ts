import { type ByteString, toBytes, utf8 } from "../../ffi/bytes.ts";
import { absolutePath } from "../../ffi/guard.ts";
import { display } from "../cli/display.ts";
import { describeError, JailkitError } from "../cli/error.ts";
import { onlyJail } from "../cli/jail-operand.ts";
import { JSON_OUTPUT, jailOption } from "../cli/options.ts";
import { printError, printJson } from "../cli/output.ts";
import { defineTool } from "../cli/tool.ts";
import { withTree } from "../jail/fs/look.ts";
import { putFile } from "../jail/fs/write.ts";
import { documentOf, parseTransfer } from "../transfer/document.ts";
import { gather } from "../transfer/gather.ts";

const NAME = "jailkit export";

const textOf = (document: object): ByteString => utf8(`${JSON.stringify(document, null, 2)}\n`);

/** Creates or replaces a file by one rename, so that nobody reads a part of it. Throws JailkitError, SystemError. */
function writeFile(file: ByteString, document: object): void {
  const bytes = toBytes(textOf(document));
  const attributes = { mode: 0o600, uid: 0, gid: 0 };
  const placed = withTree((tree) => putFile(tree, file, bytes, attributes, { replace: true }));
  if (placed === "kept") throw new JailkitError("output", 1, `${display(file)} is not a file`);
}

/** Why the file has not the form that an import wants; undefined if it has. */
function importRefusal(document: object): string | undefined {
  try {
    parseTransfer(toBytes(textOf(document)));
    return undefined;
  } catch (error) {
    return describeError(error);
  }
}

/** `jailkit export`: writes what a jail was made from. */
export const tool = defineTool({
  name: NAME,
  summary: "write down what a jail was made from, for 'jailkit import' on another machine",
  synopsis: ["[OPTION...] JAIL", "[OPTION...] -j JAIL"],
  options: {
    jail: jailOption("the jail"),
    output: {
      short: "o",
      value: "FILE",
      description: "write to FILE, which only root can read, instead of standard output",
    },
    json: JSON_OUTPUT,
  },
  exitStatus: {
    0: "everything was written, except for what a warning names",
    1: "nothing was written; the message says why",
    2: "no jail was named, or more than one",
  },
  notes: `The output is a JSON object (--json prints it also with -o): the sections and files that were requested for the jail, sections of the administrator, the users of the jail with their uids and groups, what the limited shell allows them, and the limits of the log socket. It has no passwords and no files.

'jailkit import' makes the same jail from the programs of another machine. Homes and other files of users are moved with rsync(1).`,
  root: 5,
  run({ options, operands }) {
    const { transfer, warnings } = gather(absolutePath(onlyJail(options.jail, operands, 2)));
    const document = documentOf(transfer);
    const refusal = importRefusal(document);
    if (refusal !== undefined) warnings.push(`'jailkit import' will refuse this: ${refusal}`);
    const output = options.output === "-" ? undefined : options.output;
    if (output !== undefined) writeFile(absolutePath(output), document);
    for (const warning of warnings) printError(`${NAME}: warning: ${warning}`);
    return { exitStatus: 0, report: () => document, print: () => output ?? printJson(document) };
  },
});
