/**
 * What a user can upload to make a server program start something: for each program the files that its manual pages
 * name (and the libraries below it), by path in the home directory. In the text of a file
 *   @RUN:id@      is a command that the file tells the server to start
 *   @PATH:id@     is the same where there can be no argument
 *   @PAYLOAD:id@  alone: the file itself is what would be started
 *   @RAN:id@      is a directory that code in the server's own process would make
 */
import type { ByteString } from "../../ffi/bytes.ts";
import { lines, payloads, type Ways } from "./uploads-files.ts";
import { GIT } from "./uploads-git.ts";

/** Variables by which the programs start something, as ~/.ssh/environment or a client may have them. */
export const ENVIRONMENT: readonly ByteString[] = [
  "SHELL=@PATH:env-shell@",
  "ENV=/home/@USER@/.profile",
  "BASH_ENV=/home/@USER@/.profile",
  "RSYNC_RSH=@PATH:env-rsh@",
  "GIT_SSH=@PATH:env-git-ssh@",
  "GIT_EXTERNAL_DIFF=@PATH:env-git-diff@",
  "GIT_EXEC_PATH=/home/@USER@/esc",
  "GIT_CONFIG_COUNT=1",
  "GIT_CONFIG_KEY_0=uploadpack.packObjectsHook",
  "GIT_CONFIG_VALUE_0=@RUN:env-git-pack@",
  "HGRCPATH=/home/@USER@/.hgrc",
  "PYTHONSTARTUP=/home/@USER@/start.py",
  "PYTHONPATH=/home/@USER@/python",
  "PATH=/usr/bin:/home/@USER@/esc",
  "LESSOPEN=|@RUN:env-lessopen@",
  "UNISON=/home/@USER@/.unison",
  "BORG_RSH=@RUN:env-borg@",
  "SVN_SSH=@PATH:env-svn@",
  "CVS_RSH=@PATH:env-cvs@",
  "GCONV_PATH=/home/@USER@/python",
];

const svnHooks =
  "start-commit pre-commit post-commit pre-revprop-change post-revprop-change pre-lock post-lock pre-unlock post-unlock";

export const WAYS: Readonly<Record<string, Ways>> = {
  login: {
    // .ssh/rc, .ssh/environment and .ssh/authorized_keys come with the use that is about them
    manuals: "sshd(8), ssh_config(5), bash(1), dash(1), zsh(1), login.conf(5), pam_env(8), environ(7)",
    works: ["profile", "forced"],
    files: {
      ".ssh/config": lines("Host *", "ProxyCommand @RUN:ssh-proxy@", "LocalCommand @RUN:ssh-local@"),
      ".bashrc": "@RUN:bashrc@\n",
      ".bash_profile": "@RUN:bash-profile@\n",
      ".bash_login": "@RUN:bash-login@\n",
      ".bash_logout": "@RUN:bash-logout@\n",
      ".profile": "@RUN:profile@\nexit\n",
      ".login": "@RUN:csh-login@\n",
      ".cshrc": "@RUN:cshrc@\n",
      ".zshenv": "@RUN:zshenv@\n",
      ".zshrc": "@RUN:zshrc@\n",
      ".kshrc": "@RUN:kshrc@\n",
      ".login_conf": "me:\\\n\t:shell=@RUN:login-conf@:\n",
      ".pam_environment": "SHELL DEFAULT=@RUN:pam@\n",
      ".lesskey": "#env\nLESSOPEN=|@RUN:lesskey@\n",
      ".mailcap": "text/plain; @RUN:mailcap@ %s\n",
      ".forward": "|@RUN:forward@\n",
      ".vimrc": ":call system('@RUN:vimrc@')\n",
      ".exrc": ":!@RUN:exrc@\n",
      "jk_lsh.ini": "[DEFAULT]\nexecutables = @RUN:own-policy@\n",
      "etc/jailkit/jk_lsh.ini": "[DEFAULT]\nexecutables = @RUN:own-policy-etc@\n",
    },
  },
  python: {
    manuals: "python3(1), and the documentation of its module site",
    works: ["python-pth", "python-usercustomize"],
    files: Object.fromEntries(
      ["3.11", "3.12", "3.13", "3.14"].flatMap((version) => {
        const site = `.local/lib/python${version}/site-packages`;
        const code = (id: string) => `import os\ntry: os.mkdir("@RAN:${id}@")\nexcept OSError: pass\n`;
        return [
          [`${site}/usercustomize.py`, code("python-usercustomize")],
          [`${site}/sitecustomize.py`, code("python-sitecustomize")],
          [
            `${site}/esc.pth`,
            `import os; os.path.exists("@RAN:python-pth@") or os.mkdir("@RAN:python-pth@")\n`,
          ],
          ["start.py", code("python-startup")],
          ["python/mercurial.py", code("python-path")],
          ["borg.py", code("python-cwd")],
          ["mercurial.py", code("python-cwd")],
          ["encodings.py", code("python-cwd")],
        ];
      }),
    ),
  },
  rsync: {
    manuals: "rsync(1), rsyncd.conf(5), popt(3)",
    works: ["popt", "rsyncd-converter", "rsyncd-early", "rsyncd-post", "rsyncd-pre"],
    files: {
      ".config/popt": "rsync exec --server @RUN:popt-xdg@\n",
      "rsyncd.conf": lines(
        "use chroot = no",
        "early exec = @RUN:rsyncd-early@",
        "name converter = @RUN:rsyncd-converter@",
        "[m]",
        "path = /home/@USER@",
        "read only = no",
        "pre-xfer exec = @RUN:rsyncd-pre@",
        "post-xfer exec = @RUN:rsyncd-post@",
      ),
      ".rsyncrc": "--rsh=@RUN:rsyncrc@\n",
    },
  },
  git: GIT,
  cvs: {
    manuals: "cvs(1), cvs(5), the manual's chapter on administrative files",
    works: [
      ..."commitinfo loginfo verifymsg taginfo posttag postadmin postwatch"
        .split(" ")
        .map((name) => `cvs-${name}`),
      "cvs-modules-o",
      "cvs-modules-e",
      "cvs-modules-t",
    ],
    files: {
      ".cvsrc": lines("cvs -e @RUN:cvsrc-editor@", "server -e @RUN:cvsrc-server@", "commit -F x"),
      ".cvswrappers": "* -f '@RUN:cvswrappers-from@ %s' -t '@RUN:cvswrappers-to@ %s'\n",
      "cvs/CVSROOT/config": lines("SystemAuth=no", "LogHistory=all"),
      "cvs/CVSROOT/modules": lines(
        "m -o @PATH:cvs-modules-o@ -e @PATH:cvs-modules-e@ -t @PATH:cvs-modules-t@ d",
      ),
      "cvs/CVSROOT/notify": "ALL @RUN:cvs-notify@ %s\n",
      "cvs/CVSROOT/rcsinfo": "ALL /home/@USER@/.cvsrc\n",
      "cvs/CVSROOT/editinfo": "ALL @RUN:cvs-editinfo@\n",
      ...Object.fromEntries(
        "commitinfo loginfo verifymsg taginfo posttag postadmin postwatch preproxy postproxy"
          .split(" ")
          .map((name) => [`cvs/CVSROOT/${name}`, `^d @RUN:cvs-${name}@ %r\n`]),
      ),
    },
  },
  svnserve: {
    manuals: "svnserve(8), svnserve.conf(5), the comments in what svnadmin create makes",
    works: svnHooks.split(" ").map((name) => `svn-${name}`),
    files: {
      ...payloads("svn/hooks", "svn", svnHooks),
      "svn/conf/svnserve.conf": lines(
        "[general]",
        "anon-access = write",
        "auth-access = write",
        "password-db = passwd",
        "hooks-env = hooks-env",
        "[sasl]",
        "use-sasl = false",
      ),
      "svn/conf/passwd": "[users]\n",
      "svn/conf/hooks-env": lines("[default]", "PATH = /home/@USER@/esc", "LD_PRELOAD = @RUN:svn-preload@"),
      ".subversion/config": lines(
        "[helpers]",
        "editor-cmd = @RUN:svn-editor@",
        "diff-cmd = @RUN:svn-diff@",
        "[tunnels]",
        "ssh = @RUN:svn-tunnel@",
      ),
      ".subversion/servers": "[global]\nssl-authority-files = @RUN:svn-servers@\n",
    },
  },
  hg: {
    manuals: "hg(1), hgrc(5)",
    works: ["home", "xdg", "repository", "not-shared"].flatMap((at) =>
      [
        "extension",
        "changegroup",
        "incoming",
        "pre-serve",
        "post-serve",
        "pretxnopen",
        "txnclose",
        "prelistkeys",
      ].map((name) => `hg-${at}-${name}`),
    ),
    files: Object.fromEntries(
      [
        [".hgrc", "home"],
        [".config/hg/hgrc", "xdg"],
        ["hg/.hg/hgrc", "repository"],
        ["hg/.hg/hgrc-not-shared", "not-shared"],
      ].flatMap(([path = "", at]) => {
        const hooks =
          "changegroup commit incoming outgoing prechangegroup preoutgoing prepushkey pretag pretxnchangegroup pretxnclose " +
          "pretxnopen prelistkeys listkeys pushkey txnclose txnabort pre-serve post-serve fail-serve pre-bundle";
        return [
          [
            path,
            lines(
              "[hooks]",
              ...hooks.split(" ").map((hook) => `${hook}.${at} = @RUN:hg-${at}-${hook}@`),
              `prechangegroup.py-${at} = python:/home/@USER@/hg-${at}.py:hook`,
              "[extensions]",
              `esc-${at} = /home/@USER@/hg-${at}.py`,
              "[alias]",
              `serve-esc = !@RUN:hg-${at}-alias@`,
              "[ui]",
              `ssh = @RUN:hg-${at}-ssh@`,
              `editor = @PATH:hg-${at}-editor@`,
              "[extdiff]",
              `cmd.esc = @RUN:hg-${at}-extdiff@`,
              "[encode]",
              `** = pipe: @RUN:hg-${at}-encode@`,
            ),
          ],
          [
            `hg-${at}.py`,
            `import os\ntry: os.mkdir("@RAN:hg-${at}-extension@")\nexcept OSError: pass\ndef hook(**x): pass\n`,
          ],
        ];
      }),
    ),
  },
  mosh: {
    manuals: "mosh-server(1)",
    works: [],
    files: {},
  },
  borg: {
    manuals: "borg-serve(1), borg(1), and its page on environment variables",
    works: [],
    files: {
      ".config/borg/config": "@RUN:borg-config@\n",
      ".config/borg/keys/x": "BORG_KEY 00\n@RUN:borg-key@\n",
      ".config/borg/security/x/location": "@RUN:borg-security@\n",
      ".borgrc": "@RUN:borgrc@\n",
    },
  },
  unison: {
    manuals: "unison(1), its reference manual",
    works: ["unison-fsmonitor-path"],
    files: {
      ...Object.fromEntries(
        ["default", "common", "esc"].map((name) => [
          `.unison/${name}.prf`,
          lines(
            `sshcmd = @RUN:unison-${name}-ssh@`,
            `rshcmd = @RUN:unison-${name}-rsh@`,
            `servercmd = @RUN:unison-${name}-server@`,
            `diff = @RUN:unison-${name}-diff@`,
            `merge = Name * -> @RUN:unison-${name}-merge@ CURRENT1 CURRENT2 NEW`,
            `copyprog = @RUN:unison-${name}-copy@`,
            `copyprogrest = @RUN:unison-${name}-copy-rest@`,
            "copythreshold = 0",
            "repeat = watch",
          ),
        ]),
      ),
      "unison-fsmonitor": "@PAYLOAD:unison-fsmonitor@",
      "esc/unison-fsmonitor": "@PAYLOAD:unison-fsmonitor-path@",
    },
  },
};
