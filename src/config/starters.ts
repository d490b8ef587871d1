import type { ByteString } from "../../ffi/bytes.ts";

// Programs with which a user who may run one of them runs any other, and how. What is not here is not thereby safe.
const GROUPS: readonly (readonly [how: string, names: string])[] = [
  [
    "is a shell",
    "sh bash rbash dash ash ksh ksh93 mksh lksh pdksh zsh fish csh tcsh rc es elvish nu xonsh pwsh busybox toybox",
  ],
  [
    "has the command !, or runs an editor or pager",
    "vi vim view vimdiff rvim rview ex nvim ed red emacs emacsclient nano pico joe jmacs jstar jpico rjoe mcedit micro helix hx kak less more most pg pager man info pinfo mc mcview ranger nnn mutt neomutt alpine pine mail mailx Mail elinks lynx w3m links ftp lftp tnftp telnet crontab visudo vipw vigr editor sensible-editor sensible-pager select-editor cscope",
  ],
  [
    "is an interpreter that can run programs",
    "awk gawk mawk nawk original-awk perl python pypy ruby irb lua luajit tclsh wish expect php node nodejs deno bun java jshell guile racket sbcl clisp ghci erl iex julia R Rscript octave gdb lldb m4 dc jrunscript gnuplot sqlite3 mysql mariadb psql mongo sed",
  ],
  [
    "runs the program that its arguments name",
    "find env xargs nice ionice nohup timeout time watch setsid stdbuf script chroot unshare nsenter strace ltrace flock taskset chrt setarch linux32 linux64 prlimit start-stop-daemon systemd-run run-parts parallel entr fakeroot proot exec doas sudo su runuser sg newgrp pkexec setpriv capsh logsave ssh-agent dbus-run-session dbus-launch catchsegv choom numactl unbuffer rlwrap socat ncat nc netcat openssl ld.so ld-linux-x86-64.so ld-linux-aarch64.so at batch tmux screen jk_chrootsh jk_uchroot bwrap firejail nsjail watchexec",
  ],
  [
    "has options or a configuration file that name a program to run",
    "tar bsdtar gtar star cpio zip sort split scp sftp ssh slogin autossh mosh rsync rclone unison duplicity borg restic wget curl aria2c rsnapshot tcpdump tshark git hg svn svnserve cvs bzr darcs fossil git-shell make cmake ninja gmake gcc g++ cc c++ cpp clang ld go cargo rustc npm npx yarn pip pipx gem composer bundle apt apt-get dpkg rpm dnf yum apk pacman snap flatpak docker podman kubectl nmap ip iptables ldd procmail sendmail exim exim4 logrotate gpg gpg2 systemctl journalctl busctl loginctl hostnamectl machinectl dmesg",
  ],
  [
    "runs the hooks of a repository, and what the git configuration in the home directory names",
    "git-upload-pack git-receive-pack git-upload-archive",
  ],
];

const REASONS: ReadonlyMap<string, string> = new Map(
  GROUPS.flatMap(([how, names]) => names.split(" ").map((name): [string, string] => [name, how])),
);

/** The names under which a program is looked up: as it is, and without a version or the flavour of an editor. */
function namesOf(path: ByteString): string[] {
  const name = path.slice(path.lastIndexOf("/") + 1);
  const flavour = name.replace(/\.(basic|tiny|nox|gtk3|gtk|huge|minimal|traditional|openbsd|distrib)$/, "");
  const version = flavour.replace(/[-.]?[0-9]+(\.[0-9]+)*$/, "");
  const target = version.replace(/^(x86_64|aarch64)(-[a-z0-9_]+)*-linux-(gnu|musl)-/, "");
  return [name, flavour, version, target];
}

/** How a program can start others, as a phrase that follows its name; undefined where that is not known. */
export function starterReason(path: ByteString): string | undefined {
  for (const name of namesOf(path)) {
    const reason = REASONS.get(name);
    if (reason !== undefined) return reason;
  }
  return undefined;
}

// What makes ordinary programs run code, when a variable of the environment says so.
const CODE_VARIABLES =
  /^(LD_.*|BASH_ENV|ENV|SHELLOPTS|BASHOPTS|PS4|PROMPT_COMMAND|IFS|PERL5(OPT|LIB|DB)|PERLLIB|PYTHON(STARTUP|PATH|HOME|INSPECT)|RUBY(OPT|LIB)|NODE_(OPTIONS|PATH)|LUA_INIT.*|LUA_C?PATH|JAVA_TOOL_OPTIONS|CLASSPATH|GCONV_PATH|GLIBC_TUNABLES|LOCPATH|NLSPATH|HOSTALIASES|RES_OPTIONS|TERMINFO|TERMCAP|TERMPATH|GIT_(SSH.*|EDITOR|PAGER|EXEC_PATH|CONFIG.*|EXTERNAL_DIFF|ASKPASS|PROXY_COMMAND|TEMPLATE_DIR)|RSYNC_RSH|CVS_RSH|SVN_SSH|EDITOR|VISUAL|PAGER|MANPAGER|LESSOPEN|LESSCLOSE|BROWSER|BUN_.*)$/;

/** True where a variable of this name makes programs load or run what its value says. */
export function carriesCode(variable: ByteString): boolean {
  return CODE_VARIABLES.test(variable);
}
