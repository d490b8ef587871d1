import type { ByteString } from "../../../ffi/bytes.ts";

/** One run of the program; `{dir}` in a word is the test's own directory in the jail. */
export interface SmokeStep {
  /** The words after the program. */
  readonly words: readonly ByteString[];
  readonly stdin?: ByteString;
  /** Its standard input stays open until it has answered; else it would exit without an answer. */
  readonly answers?: boolean;
  /** Default: 0. */
  readonly status?: number;
  readonly stdout?: RegExp;
}

/** Shows that a section of jk_init.ini works. */
export interface SmokeTest {
  /** The sections that it tests. */
  readonly sections: readonly ByteString[];
  /** Completes "test that ...". */
  readonly shows: string;
  /** The first of these in the jail is run. If there is none, the host had none either. */
  readonly programs: readonly ByteString[];
  /** The program looks up its user: the jail's passwd must have an ordinary account. */
  readonly needsAccount?: boolean;
  readonly steps: readonly SmokeStep[];
  /** A file that it creates below the test's own directory. */
  readonly leaves?: ByteString;
}

const named = (...names: string[]): ByteString[] =>
  names.flatMap((name) =>
    ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/sbin"].map((d) => `${d}/${name}`),
  );

const GIT_REPOSITORY: readonly SmokeStep[] = [
  { words: ["init", "-q", "{dir}/a"] },
  {
    words: [
      ...["-C", "{dir}/a", "-c", "user.name=test", "-c", "user.email=test@localhost"],
      ...["commit", "-q", "--allow-empty", "-m", "test"],
    ],
  },
];

function starts(section: string, option: string, ...names: string[]): SmokeTest {
  return {
    sections: [section],
    shows: `${names[0]} starts`,
    programs: named(...names),
    steps: [{ words: [option] }],
  };
}

// SSH_FXP_INIT of version 3, and the beginning of its answer, SSH_FXP_VERSION (draft-ietf-secsh-filexfer-02)
const SFTP_INIT = "\0\0\0\x05\x01\0\0\0\x03";
const SFTP_VERSION = /^\0\0[\s\S]{2}\x02\0\0\0\x03/;

const SFTP_SERVERS = ["openssh", "ssh", "misc", ""].flatMap((folder) =>
  ["/usr/lib", "/usr/libexec"].map((base) => `${base}${folder === "" ? "" : `/${folder}`}/sftp-server`),
);

/** The smoke tests. Sections with only data have none. */
export const SMOKE_TESTS: readonly SmokeTest[] = [
  {
    sections: ["basicshell", "interactiveshell"],
    shows: "bash runs programs",
    programs: named("bash"),
    steps: [
      { words: ["-c", "true"] },
      { words: ["-c", "echo hello | cat && ls / > /dev/null"], stdout: /^hello\n$/ },
    ],
  },
  {
    sections: ["basicshell", "interactiveshell"],
    shows: "the account has a name",
    programs: named("id"),
    needsAccount: true,
    steps: [{ words: ["-un"], stdout: /^\S+\n$/ }],
  },
  {
    sections: ["extendedshell", "interactiveshell", "extshellplusnet"],
    shows: "awk computes",
    programs: named("awk"),
    steps: [{ words: ["BEGIN { print 6 * 7 }"], stdout: /^42\n$/ }],
  },
  {
    sections: ["extendedshell", "interactiveshell", "extshellplusnet"],
    shows: "sort sorts",
    programs: named("sort"),
    steps: [{ words: [], stdin: "b\na\n", stdout: /^a\nb\n$/ }],
  },
  {
    sections: ["processes"],
    shows: "a program sees its own process",
    programs: named("ps"),
    steps: [{ words: ["-o", "comm="], stdout: /\bps\b/ }],
  },
  starts("midnightcommander", "--version", "mc"),
  starts("editors", "--version", "vim", "vi", "nano"),
  starts("editors", "--version", "nano"),
  {
    // Cloning from a directory would start the server by sh, which is not in this section.
    sections: ["gitserver"],
    shows: "git answers a client that clones",
    programs: named("git"),
    steps: [...GIT_REPOSITORY, { words: ["upload-pack", "{dir}/a"], stdin: "0000", stdout: / HEAD/ }],
  },
  {
    sections: ["git"],
    shows: "git clones",
    programs: named("git"),
    steps: [
      ...GIT_REPOSITORY,
      // Without hard links, so that git-upload-pack is started.
      { words: ["clone", "-q", "--no-local", "{dir}/a", "{dir}/b"] },
    ],
    leaves: "b/.git/HEAD",
  },
  {
    sections: ["sftp", "netutils"],
    shows: "the sftp subsystem answers",
    programs: SFTP_SERVERS,
    needsAccount: true,
    steps: [{ words: [], stdin: SFTP_INIT, answers: true, stdout: SFTP_VERSION }],
  },
  {
    sections: ["scp", "netutils"],
    shows: "scp takes a file",
    programs: named("scp"),
    needsAccount: true,
    steps: [{ words: ["-t", "{dir}"], stdin: "C0644 5 file\nhello\0", stdout: /^\0/ }],
    leaves: "file",
  },
  {
    sections: ["ssh", "netutils"],
    shows: "ssh starts",
    programs: named("ssh"),
    steps: [{ words: ["-V"] }],
  },
  {
    sections: ["rsync", "netutils"],
    shows: "rsync copies",
    programs: named("rsync"),
    steps: [
      { words: ["--version"], stdout: /protocol version/ },
      { words: ["-r", "{dir}/seed", "{dir}/copy"] },
    ],
    leaves: "copy",
  },
  {
    sections: ["perl", "git"],
    shows: "perl computes, with its modules",
    programs: named("perl"),
    steps: [
      { words: ["-e", "print 6 * 7"], stdout: /^42$/ },
      { words: ["-MFile::Spec", "-MList::Util", "-e", "print 1"], stdout: /^1$/ },
    ],
  },
  {
    sections: ["php"],
    shows: "php prints",
    programs: named("php", "php8.4", "php8.3", "php8.2", "php8.1"),
    steps: [{ words: ["-r", "echo 6 * 7;"], stdout: /^42$/ }],
  },
  {
    sections: ["python", "python3"],
    shows: "python prints",
    programs: named("python3"),
    steps: [{ words: ["-c", "print(6 * 7)"], stdout: /^42\n$/ }],
  },
  {
    sections: ["node", "nodejs"],
    shows: "node prints",
    programs: named("node", "nodejs"),
    steps: [{ words: ["-e", "console.log(6 * 7)"], stdout: /^42\n$/ }],
  },
  {
    sections: ["apacheutils", "extshellplusnet"],
    shows: "htpasswd creates an entry",
    programs: named("htpasswd"),
    steps: [{ words: ["-nb", "user", "password"], stdout: /^user:/ }],
  },
  starts("netutils", "--version", "wget"),
  starts("netutils", "-version", "lynx"),
  starts("netutils", "--version", "smbclient"),
  starts("cvs", "--version", "cvs"),
  starts("procmail", "-v", "procmail"),
  starts("openvpn", "--version", "openvpn"),
  starts("apache", "-v", "apache2", "httpd"),
  starts("xauth", "-V", "xauth"),
  starts("vncserver", "-version", "Xvnc", "Xtigervnc", "Xtightvnc"),
  starts("ping", "-V", "ping"),
];
