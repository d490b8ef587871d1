import { type OptionRule, optionReason, wordReason } from "./options.ts";
import { CALLS, type Program, START } from "./program.ts";

/** rsync's arguments; exported for the comparison with the installed program. */
export const RSYNC_OPTIONS: OptionRule = {
  first: { word: "--server", reason: `only 'rsync --server' ${CALLS}` },
  withValue: "eBTfM@",
  // popt permutes, so `--` may itself be the value of an option: every word is looked at.
  endOfOptions: false,
  refused: [
    { long: ["rsh"], reason: START },
    // With --server, the client sends its capabilities as the value of -e: `-vlogDtpre.iLsfxC`.
    { short: "e", harmlessValue: /^[0-9]*\.[A-Za-z0-9]*$/, reason: START },
    { long: ["rsync-path"], reason: START },
    // `pre-xfer exec` in a configuration file that the user can write.
    { long: ["daemon"], reason: `reads a configuration file that ${START}` },
    { long: ["config", "dparam"], reason: `names a configuration that ${START}` },
    // The real arguments follow on standard input, and may include --daemon (tried: it works).
    {
      short: "s",
      long: ["secluded-args", "protect-args"],
      reason:
        "hides the arguments from the limited shell; call rsync without -s and unset RSYNC_PROTECT_ARGS",
    },
    { short: "M", long: ["remote-option"], reason: "passes options on unseen" },
  ],
};

/**
 * rsync(1). popt(3) reads $HOME/.popt, where a line `rsync exec --server PROG` makes it execute PROG, whatever the rest
 * of the command line; without HOME it does not (tried with popt 1.19). CVE-2019-3463, CVE-2019-1000018.
 */
export const rsync: Program = {
  names: ["rsync"],
  forms: ["rsync --server ..."],
  inputs: "With HOME it would read ~/.popt, which could name a program, whatever the arguments are.",
  refusal: (args) => optionReason(RSYNC_OPTIONS, args),
  versions: ["--version", "-V"],
  // RSYNC_SHELL and RSYNC_CONNECT_PROG are for a shell.
  environment: { set: { HOME: undefined }, dropped: /^RSYNC_/ },
};

/** scp's arguments; exported for the comparison with the installed program. */
export const SCP_OPTIONS: OptionRule = {
  // Copies between two names run ssh(1) or cp(1). CVE-2004-1162.
  mode: {
    letters: "tf",
    reason: "only 'scp -t' and 'scp -f' can be called here: other calls can start programs",
  },
  withValue: "DFJMPSXcilo",
  letters: "1246BCTdfpqrtv",
  endOfOptions: true,
  refused: [
    { short: "S", reason: START },
    { short: "o", reason: `passes options to ssh, which ${START}` },
    { short: "F", reason: `names a configuration of ssh, which ${START}` },
    { short: "D", reason: START },
    { short: "J", reason: START },
  ],
};

/** scp(1): both ends of the old protocol only read their arguments. */
export const scp: Program = {
  names: ["scp"],
  forms: ["scp -t ...", "scp -f ..."],
  inputs: "It reads no file that could name a program.",
  refusal: (args) => optionReason(SCP_OPTIONS, args),
  versions: [],
};

/** sftp-server(8): none of its options names a program, and it reads no configuration. */
export const sftpServer: Program = {
  names: ["sftp-server"],
  forms: ["sftp-server ..."],
  inputs: "It reads no file that could name a program.",
  refusal: () => undefined,
  versions: [],
};

/**
 * unison(1). CVE-2004-1161: -rshcmd, -sshcmd. The server loads no profile; programs in a client's preferences (copyprog,
 * merge) run at the client (tried with 2.53). It looks for unison-fsmonitor in PATH.
 */
export const unison: Program = {
  names: ["unison"],
  forms: ["unison -server"],
  inputs: "It reads no profile, and looks for unison-fsmonitor in the PATH that it is given.",
  refusal: ([first, ...rest]) => {
    if (first !== "-server") return `only 'unison -server' ${CALLS}`;
    return rest.length === 0 || (rest.length === 1 && rest[0] === "__new-rpc-mode")
      ? undefined
      : "'unison -server' takes no other argument";
  },
  versions: ["-version"],
  environment: { dropped: /^UNISON/ },
  starts: ["/usr/bin/unison-fsmonitor"],
};

const path = /^[^-]/;
// The options that clients send, and those that limit them; `--debug-profile` would write a file.
const BORG_WORDS = {
  words:
    /^--(?:critical|error|warning|info|debug|append-only|(?:debug-topic|storage-quota|umask|lock-wait|restrict-to-(?:path|repository))=.+)$/,
  withValue: {
    "--restrict-to-path": path,
    "--restrict-to-repository": path,
    "--storage-quota": path,
    "--umask": path,
    "--lock-wait": path,
  },
};

/** borg(1). Its server only obeys the client. Python would load code from ~/.local: see EVERY_PROGRAM. */
export const borg: Program = {
  names: ["borg", "borgbackup"],
  forms: ["borg serve ..."],
  inputs: "It does not get BORG_* of the session: BORG_LOGGING_CONF could name code.",
  refusal: ([first, ...rest]) =>
    first === "serve" ? wordReason(BORG_WORDS, rest) : `only 'borg serve' ${CALLS}`,
  versions: ["--version", "-V"],
  environment: { dropped: /^(?:BORG_|PYTHON)/ },
};
