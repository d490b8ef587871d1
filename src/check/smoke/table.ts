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

const DIRECTORIES = ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/sbin"];
const named = (names: string): ByteString[] =>
  names.split(" ").flatMap((name) => DIRECTORIES.map((directory) => `${directory}/${name}`));

/** A test of sections, separated by blanks, by the first of some programs that the jail has. */
function testOf(
  sections: string,
  shows: string,
  programs: string | readonly ByteString[],
  steps: readonly SmokeStep[],
  more: Pick<SmokeTest, "needsAccount" | "leaves"> = {},
): SmokeTest {
  const paths = typeof programs === "string" ? named(programs) : programs;
  return { sections: sections.split(" "), shows, programs: paths, steps, ...more };
}

const starts = (sections: string, option: string, names: string): SmokeTest =>
  testOf(sections, `${names.split(" ")[0]} starts`, names, [{ words: [option] }]);

const GIT_REPOSITORY: readonly SmokeStep[] = [
  "init -q {dir}/a",
  "-C {dir}/a -c user.name=test -c user.email=test@localhost commit -q --allow-empty -m test",
].map((line) => ({ words: line.split(" ") }));

// SSH_FXP_INIT of version 3, and the beginning of its answer, SSH_FXP_VERSION (draft-ietf-secsh-filexfer-02)
const SFTP_INIT = "\0\0\0\x05\x01\0\0\0\x03";
const SFTP_VERSION = /^\0\0[\s\S]{2}\x02\0\0\0\x03/;

const SFTP_SERVERS = ["openssh/", "ssh/", "misc/", ""].flatMap((folder) =>
  ["/usr/lib", "/usr/libexec"].map((base) => `${base}/${folder}sftp-server`),
);

const PHP = "php php8.5 php8.4 php8.3 php8.2 php8.1 php8.0 php7.4";

/** The smoke tests. Sections with only data have none. */
export const SMOKE_TESTS: readonly SmokeTest[] = [
  testOf("basicshell interactiveshell", "bash runs programs", "bash", [
    { words: ["-c", "true"] },
    { words: ["-c", "echo hello | cat && ls / > /dev/null"], stdout: /^hello\n$/ },
  ]),
  testOf(
    "basicshell interactiveshell",
    "the account has a name",
    "id",
    [{ words: ["-un"], stdout: /^\S+\n$/ }],
    { needsAccount: true },
  ),
  testOf("extendedshell interactiveshell extshellplusnet", "awk computes", "awk", [
    { words: ["BEGIN { print 6 * 7 }"], stdout: /^42\n$/ },
  ]),
  testOf("extendedshell interactiveshell extshellplusnet", "sort sorts", "sort", [
    { words: [], stdin: "b\na\n", stdout: /^a\nb\n$/ },
  ]),
  testOf("file extendedshell interactiveshell", "file knows what a text is", "file", [
    { words: ["-b", "-"], stdin: "a text\n", stdout: /^ASCII text\n$/ },
  ]),
  starts("ldconfig", "--version", "ldconfig"),
  testOf("processes ps", "a program sees its own process", "ps", [
    { words: ["-o", "comm="], stdout: /\bps\b/ },
  ]),
  starts("midnightcommander", "--version", "mc"),
  starts("editors", "--version", "vim vi nano"),
  starts("editors", "--version", "nano"),
  starts("msmtp", "--version", "msmtp"),
  // Cloning from a directory would start the server by sh, which is not in this section.
  testOf("gitserver", "git answers a client that clones", "git", [
    ...GIT_REPOSITORY,
    { words: ["upload-pack", "{dir}/a"], stdin: "0000", stdout: / HEAD/ },
  ]),
  testOf(
    "git",
    "git clones",
    "git",
    // Without hard links, so that git-upload-pack is started.
    [...GIT_REPOSITORY, { words: ["clone", "-q", "--no-local", "{dir}/a", "{dir}/b"] }],
    { leaves: "b/.git/HEAD" },
  ),
  testOf(
    "sftp netutils",
    "the sftp subsystem answers",
    SFTP_SERVERS,
    [{ words: [], stdin: SFTP_INIT, answers: true, stdout: SFTP_VERSION }],
    { needsAccount: true },
  ),
  testOf(
    "scp netutils",
    "scp takes a file",
    "scp",
    [{ words: ["-t", "{dir}"], stdin: "C0644 5 file\nhello\0", stdout: /^\0/ }],
    { needsAccount: true, leaves: "file" },
  ),
  testOf("ssh netutils", "ssh starts", "ssh", [{ words: ["-V"] }], { needsAccount: true }),
  testOf(
    "ssh netutils",
    "ssh-keygen makes a key",
    "ssh-keygen",
    [{ words: ["-q", "-t", "ed25519", "-N", "", "-f", "{dir}/key"] }],
    { needsAccount: true, leaves: "key" },
  ),
  starts("curl netutils", "--version", "curl"),
  testOf(
    "rsync netutils",
    "rsync copies",
    "rsync",
    [{ words: ["--version"], stdout: /protocol version/ }, { words: ["-r", "{dir}/seed", "{dir}/copy"] }],
    { leaves: "copy" },
  ),
  testOf("perl git", "perl computes, with its modules", "perl", [
    { words: ["-e", "print 6 * 7"], stdout: /^42$/ },
    { words: ["-MFile::Spec", "-MList::Util", "-e", "print 1"], stdout: /^1$/ },
  ]),
  testOf("php composer wpcli", "php computes, with its time zones", PHP, [
    { words: ["-r", "echo 6 * 7;"], stdout: /^42$/ },
    {
      words: ["-r", `echo (new DateTime("@0"))->setTimezone(new DateTimeZone("Asia/Tokyo"))->format("G");`],
      stdout: /^9$/,
    },
  ]),
  starts("composer", "--version", "composer"),
  starts("wpcli", "--version", "wp"),
  testOf("python python3", "python computes, with its modules", "python3", [
    { words: ["-c", "import encodings.idna, re; print(6 * 7)"], stdout: /^42\n$/ },
  ]),
  testOf("node nodejs", "node prints", "node nodejs", [
    { words: ["-e", "console.log(6 * 7)"], stdout: /^42\n$/ },
  ]),
  starts("node nodejs", "--version", "npm"),
  testOf("ruby", "ruby computes, with its modules", "ruby", [
    { words: ["-rset", "-e", "puts 6 * 7"], stdout: /^42\n$/ },
  ]),
  starts("mysqlclient wpcli", "--version", "mysql mariadb"),
  starts("postgresqlclient", "--version", "psql"),
  testOf("archive", "tar packs", "tar", [{ words: ["-cf", "{dir}/a", "-C", "{dir}", "seed"] }], {
    leaves: "a",
  }),
  testOf("archive", "zip packs", "zip", [{ words: ["-q", "{dir}/a.zip", "{dir}/seed"] }], {
    leaves: "a.zip",
  }),
  testOf("archive 7zip", "7z packs", "7z 7za 7zz 7zr", [{ words: ["a", "{dir}/a.7z", "{dir}/seed"] }], {
    leaves: "a.7z",
  }),
  testOf(
    "imagemagick",
    "ImageMagick draws",
    "convert magick",
    [{ words: ["-size", "2x2", "xc:red", "{dir}/a.ppm"] }],
    { leaves: "a.ppm" },
  ),
  starts("fonts", "--version", "fc-list"),
  testOf("gconv", "iconv converts", "iconv", [
    { words: ["-f", "ISO-8859-1", "-t", "UTF-8"], stdin: "\xe9", stdout: /^\xc3\xa9$/ },
  ]),
  testOf("locales", "locale lists locales", "locale", [{ words: ["-a"], stdout: /^C/ }]),
  testOf("sh shelltools", "sh runs", "sh", [{ words: ["-c", "echo 42"], stdout: /^42\n$/ }]),
  testOf("apacheutils extshellplusnet", "htpasswd creates an entry", "htpasswd", [
    { words: ["-nb", "user", "password"], stdout: /^user:/ },
  ]),
  starts("netutils", "--version", "wget"),
  starts("netutils", "-version", "lynx"),
  starts("netutils", "--version", "smbclient"),
  starts("cvs", "--version", "cvs"),
  starts("procmail", "-v", "procmail"),
  starts("openvpn", "--version", "openvpn"),
  starts("apache", "-v", "apache2 httpd"),
  starts("xauth", "-V", "xauth"),
  starts("vncserver", "-version", "Xvnc Xtigervnc Xtightvnc"),
  starts("ping", "-V", "ping"),
];
