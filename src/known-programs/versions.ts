import type { ByteString } from "../../ffi/bytes.ts";
import { wordReason } from "./options.ts";
import { CALLS, type Program } from "./program.ts";

/**
 * hg(1): the two forms that a client sends. `-R` takes any URL (`ssh://-oProxyCommand=...` starts ssh) and would take an
 * option (CVE-2017-9462). HGRCSKIPREPO and HGRCPATH leave the configuration of the system alone.
 */
export const hg: Program = {
  names: ["hg"],
  forms: ["hg -R REPOSITORY serve --stdio", "hg init REPOSITORY"],
  inputs:
    "It reads /etc/mercurial, but not ~/.hgrc or .hg/hgrc of the repository, so that hooks there do not run.",
  refusal: (args) => {
    const [first, repository = "-", ...rest] = args;
    const serves = first === "-R" && rest.length === 2 && rest.join(" ") === "serve --stdio";
    if (!serves && !(first === "init" && rest.length === 0)) {
      return `only 'hg -R REPOSITORY serve --stdio' and 'hg init REPOSITORY' ${CALLS}`;
    }
    return repository === "" || repository.startsWith("-") || /^[A-Za-z0-9+.-]+:/.test(repository)
      ? "a repository that is no path can start programs"
      : undefined;
  },
  versions: ["--version", "version"],
  environment: {
    set: { HGRCPATH: "/etc/mercurial/hgrc:/etc/mercurial/hgrc.d", HGRCSKIPREPO: "1", HGPLAIN: "1" },
    dropped: /^(?:C?HG|PYTHON)/,
  },
  hooks: "hg",
};

/** svnserve(8). `--config-file` would set the environment of hooks, and daemon modes are not needed here. */
export const svnserve: Program = {
  names: ["svnserve"],
  forms: ["svnserve -t [-R] [-r ROOT] [--tunnel-user NAME]"],
  inputs: "It reads no file of the home directory.",
  refusal: (args) => {
    if (!args.includes("-t") && !args.includes("--tunnel")) return `only 'svnserve -t' ${CALLS}`;
    return wordReason(
      {
        words: /^(?:-t|--tunnel|-R|--read-only|--(?:root|tunnel-user)=.+)$/,
        withValue: { "-r": /^[^-]/, "--root": /^[^-]/, "--tunnel-user": /^[^-]/ },
      },
      args,
    );
  },
  versions: ["--version"],
  open: [
    {
      what: "the hooks of any repository that the user can write or upload",
      advice:
        "let root own the repositories, their hooks and conf, and give the account no other way to upload",
    },
  ],
};

/** cvs(1). Its server reads only ~/.cvsignore in the home; `cvs --version` reads ~/.cvsrc, but exits before using it. */
export const cvs: Program = {
  names: ["cvs"],
  forms: ["cvs server"],
  inputs:
    "In the home directory it reads only ~/.cvsignore (for --version only ~/.cvsrc, from which it starts nothing). It does not get EDITOR, VISUAL and CVS* of the session.",
  refusal: (args) => (args.length === 1 && args[0] === "server" ? undefined : `only 'cvs server' ${CALLS}`),
  versions: ["--version"],
  environment: { dropped: /^(?:CVS.*|EDITOR|VISUAL)$/ },
  open: [
    {
      what: "programs named in CVSROOT/commitinfo, loginfo and similar files of any repository that the user can write, or create by 'cvs init'",
      advice: "allow it only to accounts that may start every program in the jail",
    },
  ],
};

const localeVariable = /^(?:LANG|LANGUAGE|LC_[A-Z]+)=[A-Za-z0-9_.,@:-]*$/;

/** The words that mosh(1) sends. */
const MOSH_WORDS = {
  words: /^-[sv]$/,
  withValue: {
    "-i": /^[0-9A-Fa-f.:]+$/,
    "-p": /^[0-9]+(?::[0-9]+)?$/,
    "-c": /^[0-9]+$/,
    "-l": localeVariable,
  },
};

/**
 * mosh-server(1) starts a shell: the command after `--`, else SHELL, else the shell in passwd(5), which may not be jk_lsh
 * if jk_chrootsh.ini has injail_shell or jk_uchroot started jk_lsh. `-l` sets any variable for it.
 */
export const moshServer: Program = {
  names: ["mosh-server"],
  forms: ["mosh-server new [-s] [-v] [-i ADDRESS] [-p PORT[:PORT]] [-c COLOURS] [-l LC_*=VALUE]"],
  inputs: "It starts only jk_lsh, whatever shell passwd(5) has, and jk_lsh refuses the session.",
  refusal: ([first, ...rest]: readonly ByteString[]) =>
    first === "new"
      ? rest.includes("--")
        ? "the words after '--' are another program"
        : wordReason(MOSH_WORDS, rest)
      : `only 'mosh-server new' ${CALLS}`,
  versions: ["--version"],
  environment: { set: { SHELL: "/usr/sbin/jk_lsh" }, dropped: /^MOSH_/ },
  starts: "system",
};
