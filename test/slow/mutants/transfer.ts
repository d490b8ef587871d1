// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the text of the code
/** What a file from another machine may make jailkit import do. */

import type { Mutant } from "./mutant.ts";

const within = (file: string, test: string, changes: readonly (readonly [string, string])[]): Mutant[] =>
  changes.map(([from, to]) => ({ file: `src/transfer/${file}`, from, to, test }));

export const TRANSFER: readonly Mutant[] = [
  ...within("shape.ts", "unit/transfer-document.test.ts", [
    ["value.length > longest", "value.length < 0"],
    ["/[\\0-\\x1f\\x7f]/.test(value)", "false"],
    ["value.length > shape.most", "value.length < 0"],
    ["fields.size > shape.most", "fields.size < 0"],
    ["!Object.hasOwn(shapes, name)", "!(name in shapes)"],
    ["(!whole || Number.isInteger(value))", "true"],
    ["value >= least && value <= most", "value <= most"],
    ["value >= least && value <= most", "value >= least"],
    ["readText(name, shape.longest, place)", "name"],
  ]),
  ...within("document.ts", "unit/transfer-document.test.ts", [
    ["bytes.length > LARGEST_EXPORT", "false"],
    ["version !== VERSION", "false"],
    ["value.tool !== TOOL", "false"],
  ]),
  ...within("accounts.ts", "unit/transfer-accounts.test.ts", [
    ["names.has(user.name) || uids.has(user.uid)", "names.has(user.name)"],
    ["names.has(user.name) || uids.has(user.uid)", "uids.has(user.uid)"],
    ["nameFault(name) ?? nameFault(group)", "nameFault(group)"],
    ["nameFault(name) ?? nameFault(group)", "nameFault(name)"],
    ['if (name === "DEFAULT") return "that is no name of a user";', ""],
    ['if (uid === 0) return "a jail cannot hold root";', ""],
    ["if (NOBODY.has(uid)) return", "if (uid < 0) return"],
    ["/[:\\n]/.test(comment + home + shell)", "/[:\\n]/.test(home + shell)"],
    ["/[:\\n]/.test(comment + home + shell)", "/[:\\n]/.test(comment)"],
    ["!plain || isJailsOwn(home)", "isJailsOwn(home)"],
    ["!plain || isJailsOwn(home)", "!plain"],
    ['!shell.startsWith("/") || normalPath(shell) !== shell', '!shell.startsWith("/")'],
    ["if (here.uid !== uid)", "if (here.uid < 0)"],
    ["if (here.home === wanted) return undefined;", "return undefined;"],
    ["const owner = facts.userByUid(user.uid);", "const owner = facts.userByUid(-1);"],
    ["!isIn(facts.uids, uid) && !trusted", "false"],
    ["id >= least && id <= most", "id >= least"],
    ["id >= least && id <= most", "id <= most"],
    ["named !== undefined && named !== gid", "false"],
    ["named === undefined && numbered !== undefined", "false"],
    ["!isIn(facts.gids, gid) && group !== DEFAULT_GROUP && !trusted", "false"],
    ["isAdministrators(group) && !trusted", "false"],
    ["const creates = options.createUsers && user.local;", "const creates = user.local;"],
    ["const creates = options.createUsers && user.local;", "const creates = options.createUsers;"],
    [
      "same && isIn(facts.gids, group.gid) && !isAdministrators(group.name)",
      "same && !isAdministrators(group.name)",
    ],
    [
      "same && isIn(facts.gids, group.gid) && !isAdministrators(group.name)",
      "same && isIn(facts.gids, group.gid)",
    ],
    ["here !== undefined && here.gid === group.gid", "here !== undefined"],
  ]),
  ...within("sections.ts", "unit/transfer-sections.test.ts", [
    [
      "if (mine !== undefined) {",
      "if (mine !== undefined && sameKeys(knownKeys(mine, initKeys).keys, keys)) {",
    ],
    ["if (!own) {", "if (false) {"],
    ["else if (exists(made.dropIn.file))", "else if (false)"],
    ["/[\\s,[\\]]/.test(name)", "false"],
    ["if (strange !== undefined) return", "if (strange === null) return"],
    ["if (bad !== undefined) return", "if (bad === null) return"],
    ["dropInName(`/${name}`)", "`${name}.ini`"],
  ]),
  ...within("policies.ts", "unit/transfer-sections.test.ts", [
    ["if (strange !== undefined) return", "if (strange === null) return"],
    ["return bad === undefined ? { text }", "return bad !== null ? { text }"],
    ["const message = twice", "const message = false"],
    ["own.has(policy.name)", "policy.name !== null"],
    ["if (!users.some((user) => user.name === name))", "if (false)"],
    ["else if (mine !== undefined) {", "else if (mine === null) {"],
    ["else if (exists(file))", "else if (false)"],
  ]),
  ...within("contents.ts", "attack/transfer.test.ts", [
    ["for (const path of values.pathsWSetuid) kept(path, true);", ""],
    ['type === "device" && !USUAL_DEVICES.has(path)', "false"],
    ["if ((mode & SPECIAL) !== 0) kept(path, true);", "if (uid < 0) kept(path, true);"],
    ["one.base / one.interval > other.base / other.interval", "one.base > other.base"],
    ["one.base / one.interval > other.base / other.interval", "one.interval < other.interval"],
    ["|| one.peak > other.peak", ""],
    ["live.filter((each) => !USUAL_LIVE.test(each))", "live.filter(() => false)"],
    ["const visible = [...sockets, ", "const visible = ["],
    ["...dropIns.flatMap(({ values }) => values.sockets.map(directoryOf))", ""],
    ['name.startsWith("/") && normalPath(name) === name', 'name.startsWith("/")'],
  ]),
  ...within("import-plan.ts", "attack/transfer.test.ts", [
    ["...(trusted ? [] : grants.map((what) => needsTrust(jail, what))),", ""],
    ["root === undefined || isEmpty(root)", "true"],
    ["...shellProblems(accounts.choices, contents, host),", ""],
    ["...policyProblems(transfer.policies, transfer.users),", ""],
  ]),
  ...within("carry-out.ts", "attack/transfer.test.ts", [['password: "*",', "password: undefined,"]]),
  {
    file: "src/tools/jailkit-import.ts",
    ...{ from: "uid !== 0 || (mode & 0o022) !== 0", to: "uid !== 0", test: "attack/transfer.test.ts" },
  },
  {
    file: "src/tools/jailkit-import.ts",
    ...{
      from: "uid !== 0 || (mode & 0o022) !== 0",
      to: "(mode & 0o022) !== 0",
      test: "attack/transfer.test.ts",
    },
  },
  {
    file: "src/tools/jailkit-import.ts",
    ...{ from: "(mode & C.S_IFMT) !== C.S_IFREG", to: "false", test: "attack/transfer.test.ts" },
  },
];
