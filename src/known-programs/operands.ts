import type { ByteString } from "../../ffi/bytes.ts";

/**
 * What a command does with a path that its arguments name: "read" a file, "list" a directory, "take" either, "create" what is
 * not there, "put" something there or into it, "remove" it.
 */
export type PathUse = "read" | "list" | "take" | "create" | "put" | "remove";

/** A path, as the arguments name it. */
export interface PathOperand {
  path: ByteString;
  use: PathUse;
}

/** A command whose operands are paths: its options of one letter, and those of them that have a value. */
interface PathCommand {
  flags: string;
  valued?: string;
  use: PathUse;
  /** The use of the last of two or more operands. */
  last?: PathUse;
}

const SUMS: PathCommand = { flags: "btz", use: "read" };

const COMMANDS: Readonly<Record<string, PathCommand>> = {
  cat: { flags: "AbeEnstTuv", use: "read" },
  head: { flags: "qvz", valued: "nc", use: "read" },
  tail: { flags: "fFqvz", valued: "ncs", use: "read" },
  wc: { flags: "clmwL", use: "read" },
  ...{ md5sum: SUMS, sha1sum: SUMS, sha256sum: SUMS, sha512sum: SUMS },
  ls: { flags: "1aAlhtrSgGinosFpRkcuXUQC", use: "list" },
  mkdir: { flags: "pv", use: "create" },
  touch: { flags: "", use: "create" },
  tee: { flags: "ai", use: "put" },
  rm: { flags: "rRfiIdv", use: "remove" },
  rmdir: { flags: "v", use: "remove" },
  cp: { flags: "rRapfvdxL", use: "take", last: "put" },
  mv: { flags: "fv", use: "remove", last: "put" },
  "git-upload-pack": { flags: "", use: "take" },
  "git-upload-archive": { flags: "", use: "take" },
  "git-receive-pack": { flags: "", use: "put" },
};

/** The operands among arguments; undefined if an option is not known. */
function operandsAmong(
  args: readonly ByteString[],
  { flags, valued = "" }: PathCommand,
): ByteString[] | undefined {
  const operands: ByteString[] = [];
  let ended = false;
  for (let at = 0; at < args.length; at++) {
    const word = args[at] ?? "";
    if (ended || word === "-" || !word.startsWith("-")) operands.push(word);
    else if (word === "--") ended = true;
    else {
      for (let letter = 1; letter < word.length; letter++) {
        const option = word.charAt(letter);
        if (valued.includes(option)) {
          if (letter === word.length - 1) at++;
          break;
        }
        if (!flags.includes(option)) return undefined;
      }
    }
  }
  return operands;
}

/** The paths of rsync and scp as servers: behind the options. */
function serverOperands(name: ByteString, args: readonly ByteString[]): PathOperand[] {
  if (name === "rsync") {
    const dot = args.indexOf(".");
    if (args[0] !== "--server" || dot < 0) return [];
    const use = args[1] === "--sender" ? "take" : "put";
    return args.slice(dot + 1).map((path) => ({ path, use }));
  }
  const [path, ...more] = args.filter((word) => !word.startsWith("-"));
  const isSource = args.includes("-f");
  if (path === undefined || more.length > 0 || isSource === args.includes("-t")) return [];
  return [{ path, use: isSource ? "take" : "put" }];
}

/**
 * The paths that a command's arguments certainly name, by the base name of the program; none for a program or an option that
 * is not known here. Pure.
 */
export function pathOperands(name: ByteString, args: readonly ByteString[]): PathOperand[] {
  if (name === "rsync" || name === "scp") return serverOperands(name, args);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  const operands = (command && operandsAmong(args, command)) ?? [];
  if (command === undefined) return [];
  const { use, last } = command;
  if (last !== undefined && operands.length < 2) return [];
  return operands.flatMap((path, at): PathOperand[] => {
    if (path === "" || path === "-") return [];
    return [{ path, use: at === operands.length - 1 ? (last ?? use) : use }];
  });
}

/** That a command connects to another machine; `port`: of TCP, if it is known. */
export interface NetworkNeed {
  port: number | undefined;
}

const SCHEMES: Readonly<Record<string, number>> = {
  http: 80,
  https: 443,
  git: 9418,
  ssh: 22,
  ftp: 21,
  rsync: 873,
};

function needOfUrl(word: ByteString): NetworkNeed | undefined {
  const [, scheme = "", port] = /^([a-z]+):\/\/[^/:[\]]+(?::(\d+))?(?:\/|$)/.exec(word) ?? [];
  if (!Object.hasOwn(SCHEMES, scheme)) return undefined;
  return { port: port === undefined ? SCHEMES[scheme] : Number(port) };
}

/** `host:path`, as scp(1), rsync(1) and git take it. */
const isRemote = (word: ByteString) => /^[\w.@-]+:/.test(word) && !word.startsWith("-");

const GIT_COMMANDS = ["clone", "fetch", "pull", "push", "ls-remote"];
const CLIENTS = ["ping", "telnet", "ftp", "dig", "nslookup", "host", "mosh-server"];

/** What a command needs of the network for certain; undefined for a command that may do without. Pure. */
export function networkNeed(name: ByteString, args: readonly ByteString[]): NetworkNeed | undefined {
  const operands = args.filter((word) => !word.startsWith("-"));
  const url = operands.map(needOfUrl).find((need) => need !== undefined);
  const any: NetworkNeed = { port: undefined };
  switch (name) {
    case "curl":
    case "wget":
      return url;
    case "git":
      if (!GIT_COMMANDS.includes(operands[0] ?? "")) return undefined;
      return url ?? (operands.slice(1).some(isRemote) ? any : undefined);
    case "rsync":
      if (args[0] === "--server") return undefined;
      return url ?? (operands.some(isRemote) ? any : undefined);
    case "scp":
      return !args.includes("-t") && !args.includes("-f") && operands.some(isRemote) ? any : undefined;
    case "ssh":
    case "sftp":
      return operands.length === 0 || args.some((word) => /^-[VQGS]/.test(word)) ? undefined : any;
    default:
      return CLIENTS.includes(name) && operands.length > 0 ? any : undefined;
  }
}
