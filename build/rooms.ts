/**
 * The rooms of src/, folders with a rank, from the top, and what each is for. A part of a folder comes before the folder.
 * A file imports only from its own room and from rooms below it. This is the one place that says so:
 * build/check-structure.ts checks it, and CONTRIBUTING.md shows it.
 */
export const ROOMS: Readonly<Record<string, string>> = {
  tools: "one file per executable or command of `jailkit`: options in, exit status out",
  status: "`jailkit status`: the page that one opens first",
  lint: "`jailkit config check`: problems in a config file",
  declaration: "jails and users as files of jails.d declare them: `jailkit apply`",
  transfer: "a jail moves to another machine: `jailkit export` and `import`",
  jails: "known jails: list, adopt, delete, disk",
  check: "jk_check: `files/`, `content/`, `smoke/`, `fix/`, `report/`",
  update: "jk_update, and the removal of files that jk_init and jk_cp added: `plan/`, `apply/`",
  explain: "`jailkit explain`: would this login work? `sshd/`, and the `programs/` that a login runs",
  profile: "sections of jk_init.ini: the contents that a jail should have",
  populate: "jk_init and jk_cp: `plan/` the entries of a jail, `apply/` the plan, `record/` the result",
  users: "jk_jailuser and jk_addjailuser: accounts into a jail and out of it",
  processes: "jk_list: processes in jails",
  enter:
    "the path of a login: `login/`, `limited/`, `uchroot/`, `launch/`, `procmail/`, and code that they share",
  libraries: "the files that a program needs to start: `elf/`, the loader's `search/`, interpreters, dlopen",
  "log-socket/monitor": "the part of jk_socketd that runs as root",
  "log-socket/relay": "the part of jk_socketd that reads messages of users, without any privilege",
  "log-socket": "code that both parts of jk_socketd share",
  confine: "limits that the kernel enforces on a session: Landlock, seccomp",
  "jail/accounts": "the passwd and group of a jail, and the users who live in it",
  "jail/record": "the record of each jail, in /var/lib/jailkit",
  "jail/fs": "the file system of a jail: everything that reads or writes it",
  "limited-shell": "the words, the expansion and the decision of jk_lsh",
  config: "the ini files: readers, `schemas/`, drop-ins",
  "known-programs": "facts about other programs: git, rsync, and programs that start others",
  system: "the host: accounts, syslog, processes, mounts, `sshd/`, `pam/`",
  cli: "options, help, output, errors, progress",
};

const FOLDERS = Object.keys(ROOMS);

/** The rank of the room that a file of src/ is in, from 0, the highest; -1 for none. */
export const rankOf = (file: string) => FOLDERS.findIndex((folder) => file.startsWith(`src/${folder}/`));

/** The modules of others that src/ and ffi/ import. None of them is Node.js's, so that only ffi/ calls the system. */
export const MODULES: readonly string[] = ["bun:ffi", "citty", "zod"];

/** Modules that start too slowly for a login, and do not belong in a process with a capability. */
export const NOT_ON_A_LOGIN = /^(?:node:|citty|zod|ini$)/;

/** What changes the files of a jail. No program of a login does, so none of them has the code. */
export const CHANGES_A_JAIL = /\/fs\/(?:directories|new-file|place|remove|write)\.ts$/;

/** What no tool loads, not even by import(): the schemas of reports are for docs/schemas/ and the tests. */
export const NOT_IN_A_TOOL = /^zod(?:\/|$)/;

/** What runs on the path of a login: all of src/enter/, and the executables that begin it. */
export const LOGIN_TOOLS = ["jk_chrootsh", "jk_lsh", "jk_procmailwrapper", "jk_uchroot"].map(
  (tool) => `src/tools/${tool}.ts`,
);

/** What starts a file of src/enter/; a file that none of them loads belongs elsewhere. */
export const STARTS_ENTER: readonly string[] = [...LOGIN_TOOLS, "src/tools/jk_chrootlaunch.ts"];

/**
 * Calls of libc that change a file system, also those that ffi/ does not make yet. A function of ffi/ that makes one is a
 * writer, as are those that call it.
 */
export const LIBC_WRITERS =
  /\blibc\.(?:bind|\w*chmod\w*|\w*chown\w*|creat|\w*fallocate|link(?:at)?|mkdir(?:at)?|mkfifo(?:at)?|mknod(?:at)?|mkstemp|\w*mount2?|pivot_root|remove|\w*removexattr|rename\w*|rmdir|\w*setxattr|symlink(?:at)?|truncate|unlink(?:at)?|\w*utime\w*)\b/g;

/** What could be any of these calls, and is no name of a file of proc(5). */
export const ANY_CALL = /\bsyscall\b(?!")|\blibc\[/g;

/** More that changes a file system: other calls of ffi/, the flags of open(2), and functions of Bun. */
export const WRITERS: readonly string[] = [
  ...["attachMount", "copyContents", "limitMount", "takeProject", "writeAll"],
  ...["O_CREAT", "O_RDWR", "O_TRUNC", "O_WRONLY"],
  ...["Bun.file", "Bun.write"],
];

/** Only src/jail/fs/ uses writers, and what could be any call. These files do too, for these reasons. */
export const OTHER_WRITERS: Readonly<Record<string, string>> = {
  "src/cli/output.ts": "writes to standard output",
  "src/confine/calls.ts": "tries by their numbers the calls that its filters should refuse",
  "src/confine/in-force.ts": "binds by its number a socket that the rules should refuse",
  "src/enter/launch/launch.ts": "opens /dev/null for a daemon",
  "src/enter/launch/notify.ts":
    "mounts the directory of systemd's notify socket over one that src/jail/fs made",
  "src/enter/launch/pidfile.ts": "creates a pidfile on the host",
  "src/log-socket/monitor/bound-socket.ts": "binds the log socket of a jail",
  "src/log-socket/monitor/socketd.ts": "opens /dev/null for the daemon",
  "src/log-socket/monitor/status.ts": "binds its status socket in /run/jailkit",
  "src/log-socket/roles.ts": "opens /dev/null for the relay",
  "src/system/acl.ts": "drops the ACLs of a file that src/jail/fs opened",
  "src/system/ipc.ts": "removes message queues, which the kernel shows as files",
  "src/system/planned-accounts.ts": "writes to a tmpfs that nobody else sees",
  "src/system/mounts.ts": "mounts proc on a directory that src/jail/fs opened",
};
