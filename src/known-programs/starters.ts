import type { ByteString } from "../../ffi/bytes.ts";

// Programs by which a user can run any other program, and how. A program that is not listed is not safe therefore.
const GROUPS: readonly (readonly [how: string, names: string])[] = [
  [
    "is a shell",
    "sh bash rbash dash ash ksh ksh93 mksh lksh pdksh zsh fish csh tcsh rc es elvish nu xonsh pwsh busybox toybox",
  ],
  [
    "has the command !, or runs an editor or pager",
    "vi vim view vimdiff rvim rview ex nvim ed red emacs emacsclient nano pico joe jmacs jstar jpico rjoe mcedit micro helix hx kak less more most pg pager zless zmore bzless bzmore xzless xzmore lesspipe lesspipe.sh lessfile tig man info pinfo mc mcview ranger nnn mutt neomutt alpine pine mail mailx Mail elinks lynx w3m links ftp lftp tnftp telnet crontab visudo vipw vigr editor sensible-editor sensible-pager select-editor cscope",
  ],
  [
    "is an interpreter that can run programs",
    "awk gawk mawk nawk original-awk perl python pypy ruby irb lua luajit tclsh wish expect php node nodejs deno bun java jshell guile racket sbcl clisp ghci erl iex julia R Rscript octave gdb lldb m4 dc jrunscript gnuplot sqlite3 mysql mariadb psql mongo sed",
  ],
  [
    "runs the program that its arguments name",
    "find env xargs nice ionice nohup timeout time watch setsid stdbuf script chroot unshare nsenter strace ltrace flock taskset chrt setarch linux32 linux64 prlimit start-stop-daemon systemd-run run-parts parallel entr fakeroot proot exec doas sudo su runuser sg newgrp pkexec setpriv capsh logsave ssh-agent dbus-run-session dbus-launch catchsegv choom numactl unbuffer rlwrap socat ncat nc netcat openssl ld.so ld-linux-x86-64.so ld-linux-aarch64.so at batch tmux screen jk_chrootsh jk_uchroot bwrap firejail nsjail watchexec valgrind lsyncd incrond chronic",
  ],
  [
    "has options or a configuration file that name a program to run",
    "tar bsdtar gtar star cpio zip sort split sftp ssh slogin autossh sshfs ssh-copy-id dbclient dropbear mosh rsync-ssl rrsync rclone duplicity rdiff-backup restic attic bup smbclient distcc wget curl aria2c rsnapshot tcpdump tshark svn bzr brz darcs fossil mtn git-shell git-annex-shell gitolite gitolite-shell hg-ssh make cmake ninja gmake gcc g++ cc c++ cpp clang ld go cargo rustc npm npx yarn pip pipx gem composer bundle apt apt-get dpkg rpm dnf yum apk pacman snap flatpak docker podman kubectl nmap ip iptables ldd procmail sendmail exim exim4 logrotate gpg gpg2 systemctl journalctl busctl loginctl hostnamectl machinectl dmesg",
  ],
];

const REASONS: ReadonlyMap<string, string> = new Map(
  GROUPS.flatMap(([how, names]) => names.split(" ").map((name): [string, string] => [name, how])),
);

/** How a program of one of these names can start others, as a phrase that follows its name. */
export function starterReason(names: readonly ByteString[]): string | undefined {
  return names.map((name) => REASONS.get(name)).find((reason) => reason !== undefined);
}

// Environment variables that make ordinary programs run code.
const CODE_VARIABLES =
  /^(LD_.*|BASH_ENV|ENV|SHELLOPTS|BASHOPTS|PS4|PROMPT_COMMAND|IFS|PERL5(OPT|LIB|DB)|PERLLIB|PYTHON(STARTUP|PATH|HOME|INSPECT|USERBASE)|RUBY(OPT|LIB)|NODE_(OPTIONS|PATH)|LUA_INIT.*|LUA_C?PATH|JAVA_TOOL_OPTIONS|CLASSPATH|GCONV_PATH|GLIBC_TUNABLES|LOCPATH|NLSPATH|HOSTALIASES|RES_OPTIONS|TERMINFO|TERMCAP|TERMPATH|GIT_(SSH.*|EDITOR|PAGER|EXEC_PATH|CONFIG.*|EXTERNAL_DIFF|ASKPASS|PROXY_COMMAND|TEMPLATE_DIR)|RSYNC_(RSH|CONNECT_PROG|SHELL)|CVS_RSH|CVSEDITOR|SVN_SSH|HG(RCPATH|EDITOR|MERGE|MODULEPOLICY)?|UNISON|BORG_(LOGGING_CONF|PASSCOMMAND|RSH)|EDITOR|VISUAL|PAGER|MANPAGER|LESSOPEN|LESSCLOSE|BROWSER|BUN_.*)$/;

/** True if a variable of this name makes programs load or run the file or code in its value. */
export function carriesCode(variable: ByteString): boolean {
  return CODE_VARIABLES.test(variable);
}
