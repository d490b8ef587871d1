// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the text of the code
/** What root removes, moves and copies: compared with what was looked at, on the same mount, holes as holes. */

const inFile =
  (file: string, test: string) =>
  (from: string, to: string, title: string, more: Partial<Mutant> = {}): Mutant => ({
    file,
    from,
    to,
    test,
    title,
    ...more,
  });

const exchange = inFile("src/update/apply/stage.ts", "attack/update-links.test.ts");
const sweep = inFile("src/jail/record/sweep.ts", "attack/update-exchange.test.ts");
const pidfile = inFile("src/enter/launch/pidfile.ts", "attack/chrootlaunch.test.ts");
const remove = inFile("src/jail/fs/remove.ts", "unit/jail-remove.test.ts");
const emptied = inFile("src/jail/fs/empty.ts", "unit/jail-remove.test.ts");
const served = inFile("ffi/served.ts", "attack/user-mounts.test.ts");
const move = inFile("src/jail/fs/place.ts", "unit/update.test.ts");
const place = inFile("src/jail/fs/place.ts", "unit/jail-remove.test.ts");
const home = inFile("src/jail/fs/home-move.ts", "attack/home-move.test.ts");
const copied = inFile("src/jail/fs/copy-home.ts", "attack/home-move.test.ts");
const filled = inFile("src/jail/fs/home-fill.ts", "attack/home-move.test.ts");
const workedIn = (file: string) => inFile(file, "e2e/apply-worked-in.test.ts");
const moments = (file: string) => inFile(file, "attack/remove-moments.test.ts");
const threads = (file: string) => inFile(file, "attack/home-thread.test.ts");
const aside = (file: string) => inFile(file, "attack/home-aside.test.ts");
const gone = (file: string) => inFile(file, "e2e/apply-removed-homes.test.ts");
const taken = inFile("src/jail/fs/gone-home.ts", "unit/gone-home.test.ts");
const closed = (file: string) => inFile(file, "e2e/closed-homes.test.ts");
const left = (file: string) => inFile(file, "e2e/interrupted-moves.test.ts");
const waits = (file: string) => inFile(file, "e2e/moves-without-copy.test.ts");
const temporary = (file: string) => inFile(file, "e2e/left-temporaries.test.ts");
const held = (file: string) => inFile(file, "e2e/held-places.test.ts");
const inPlace = (file: string) => inFile(file, "e2e/home-in-place.test.ts");
const cleaned = inPlace("src/jail/fs/home-clean.ts");
const parents = inFile("src/jail/fs/safety.ts", "unit/jail-safety.test.ts");
const copy = inFile("ffi/copy.ts", "unit/copy.test.ts");
const plan = inFile("src/jails/delete-plan.ts", "e2e/service-users.test.ts");
const whose = inFile("src/jails/whose-files.ts", "e2e/service-users.test.ts");
const owners = inFile("src/jails/owners.ts", "e2e/service-users.test.ts");
const deletion = inFile("src/jails/delete.ts", "e2e/service-users.test.ts");
const services = inFile("src/jail/accounts/service-users.ts", "e2e/service-users.test.ts");
const names = inFile("src/system/account-name.ts", "unit/account-name.test.ts");
const directory = (file: string) => inFile(file, "e2e/directory.test.ts");
const hosts = inFile("src/jail/fs/no-jails.ts", "e2e/host-directories.test.ts");

const stamps = inFile("src/jail/record/verified.ts", "unit/check-content.test.ts");
const known = inFile("src/update/plan/known-contents.ts", "unit/check-content.test.ts");
const hostAccounts = inFile("src/system/host-accounts.ts", "unit/host-accounts.test.ts");

export const REMOVAL: readonly Mutant[] = [
  names("/[\\x00-\\x1f\\x7f]/.test(name)", "/[\\x01-\\x1f\\x7f]/.test(name)", "is refused"),
  names("/[:,/]/.test(name)", "/[:,]/.test(name)", "is refused"),
  names("/[:,/]/.test(name)", "/[:/]/.test(name)", "is refused"),
  names("/^[-+# ]| $/.test(name)", "/^[+# ]| $/.test(name)", "is refused"),
  names('name === "." || name === ".."', 'name === "."', "is refused"),
  names('name.startsWith("group ")', 'name === "group "', "is refused"),
  directory("src/system/accounts.ts")(
    "new Set([0]);",
    "new Set([0, 2, 111]);",
    "while the directory is down",
  ),
  directory("src/jails/delete-plan.ts")(
    "if (request.userFiles) return [];",
    "return [];",
    "while the directory is down",
  ),
  inFile("src/users/directory.ts", "unit/directory.test.ts")(
    "const isPlain = ",
    "const isPlain = true || ",
    "is one value",
  ),
  names('literal.includes("@")', 'literal.includes("@@")', "a host may follow"),
  stamps(
    "return uid === 0 && (mode & 0o022) === 0 && ctime <",
    "return (mode & 0o022) === 0 && ctime <",
    "since a mapped",
  ),
  stamps(
    "return uid === 0 && (mode & 0o022) === 0 && ctime <",
    "return uid === 0 && ctime <",
    "since a mapped",
  ),
  known("earlier.sourceStamp === known.sourceStamp", "true", "is read again by jk_update"),
  known("earlier?.stamp === known.stamp && earlier", "earlier", "is read again by jk_update"),
  known("if (reliable && isSame", "if (isSame", "is read again by jk_update"),
  hostAccounts(
    "    if (entry === undefined || /[\\t-\\r ]/.test(entry.name)) return",
    "    if (entry === undefined) continue;\n    if (false) return",
    "is empty if there is the line",
  ),
  hostAccounts(" && !/success/i.test(first)", "", "filesAnswer"),
  hostAccounts('!services.has("initgroups") && ', "", "fileHasAllMembers"),
  hostAccounts('services.get("group")?.length === 1', "true", "fileHasAllMembers"),
  hostAccounts(" || entries.length === 0) return undefined", ") return undefined", "could not be read"),
  exchange(
    "removeTree(root, temporary.path, old, isOneOf(within))",
    "removeTree(root, temporary.path, old)",
    "after the check",
  ),
  sweep(
    "removeTree(root, at, stat, putFor(root, at, places, [put, records]));",
    "removeTree(root, at, stat);",
    "puts files",
  ),
  sweep("    if (stat.uid !== 0 && !ours()) return [stays];\n", "", "puts files"),
  sweep("if (old === undefined || !putBack(", "if (true || !putBack(", "put back"),
  pidfile("  requirePidfilePlace(path, present);\n", "", "never takes the place of a device"),
  remove(
    "    if (!sameFile(stat, seen)) throw exchanged(hostPath(root, path));\n",
    "",
    "where only root can write",
  ),
  emptied(
    "  if (sameMount && sameFile(stat, seen)) return {",
    "  if (sameFile(stat, seen)) return {",
    "a user's own file system in the jail",
    { test: "attack/escape-mount.test.ts" },
  ),
  inFile("src/jail/fs/walk.ts", "attack/escape-mount.test.ts")(
    "return a.mountId === b.mountId && (",
    "return (",
    "a user's own file system in the jail",
  ),
  emptied(
    "  if (sameMount && sameFile(stat, seen)) return {",
    "  if (sameMount) return {",
    "exchanged between the check and the opening",
  ),
  remove("  if (stage === parent) {", "  if (stage !== undefined) {", "a file of the user's and another", {
    test: "attack/remove-exchange.test.ts",
  }),
  remove("  if (sameFile(moved, seen)) {", "  if (moved !== seen) {", "a file of the user's and another", {
    test: "attack/remove-exchange.test.ts",
  }),
  remove("    back(name);\n", "    unlinkAt(stage.fd, aside);\n", "a file of the user's and another", {
    test: "attack/remove-exchange.test.ts",
  }),
  emptied(
    'if (among !== "all" && !among(stat, this.#path())) {',
    "if (among === undefined) {",
    "nor a file that came into a directory after the check",
  ),
  remove(
    "removeSeen(root, path, seen);",
    'removeSeen(root, path, seen, { among: "all", watch: {} });',
    "removes one name, never the target of a symbolic link",
  ),
  emptied(
    '    if (among === "all") holdDirectory(here.fd, here === this.#levels.at(0));\n',
    "",
    "creates nothing there any more",
    {
      test: "e2e/apply-removed-homes.test.ts",
    },
  ),
  served("if (uid !== 0 || !isInPlace) {", "if (uid !== 0) {", "of root"),
  served("if (uid !== 0 || !isInPlace) {", "if (!isInPlace) {", "on the home, with"),
  inFile("src/jail/fs/descent.ts", "unit/jail-remove.test.ts")(
    "const MOST_OPEN = 64;",
    "const MOST_OPEN = 1 << 20;",
    "a deep tree needs few descriptors",
  ),
  remove(
    "    if (isDirectory(stat) || isLink(stat)) forgetDirectories(root, parent);\n",
    "",
    "examined again",
  ),
  emptied(
    "    if (far !== undefined) Object.assign(far, { piece: [], hasMore: true });\n",
    "    if (far !== undefined) Object.assign(far, { piece: [], hasMore: false });\n",
    "removes more deep trees beside each other",
  ),
  inFile("src/jail/fs/descent.ts", "unit/jail-remove.test.ts")(
    "C.O_RDONLY | C.O_DIRECTORY | C.O_NOFOLLOW | C.O_NONBLOCK",
    "C.O_RDONLY | C.O_DIRECTORY | C.O_NONBLOCK",
    "removes a tree|removes one name",
    { equivalent: "what is opened is compared with what was seen" },
  ),
  move(
    '  if (!parent.trusted) throw new SystemError(C.EPERM, "rename", undefined);\n',
    "",
    "is not moved if a user could have exchanged it",
  ),
  move('  if (!isSame(there, present)) return "kept";\n', "", "is not moved in place of another"),
  move(
    '  if (!isSame(statIfPresent(parent.fd, from), made)) throw new SystemError(C.ESTALE, "rename", undefined);\n',
    "",
    "is not moved in place of another",
  ),
  move(
    "seen === undefined ? there === seen :",
    "seen === undefined ? true :",
    "is not moved in place of another",
  ),
  move('how === "exchange" ? C.RENAME_EXCHANGE : 0', "0", "takes its place, permanently or in exchange"),
  move("sameFile(there, seen)", "there.ino > 0n", "is not moved in place of another"),
  move(
    "  if (there !== undefined && (isDirectory(there) || isLink(there))) forgetDirectories(root, parent);\n",
    "",
    "takes its place",
  ),
  place(
    "  if (parent.trusted || stage === undefined) return parent;",
    "  if (parent.stage === stage) return parent;",
    "is not created where users can write, if root has a place",
  ),
  place(
    "|| !sameFile(there, made)) return;",
    "|| there.ino === 0n) return;",
    "is removed again if it is still the same",
  ),
  place(
    '      if (placement !== "kept" && !stage.trusted) requireSame(parent, name, made);\n',
    "",
    "is an error if a user has put another file in its place",
  ),
  place(
    "      if (temporary !== undefined) discard(stage, temporary, made);\n      throw error;",
    "      throw error;",
    "is an error if a user has put another file in its place",
  ),
  place(
    "renameAt(from.fd, name, to.fd, target, C.RENAME_NOREPLACE);",
    "renameAt(from.fd, name, to.fd, target);",
    "leaves a file alone that got its name meanwhile",
  ),
  place('    if (existing !== undefined && !replace) return "kept";\n', "", "keeps or replaces", {
    test: "unit/jail-write.test.ts",
  }),
  place(
    "    if (existing !== undefined && isDirectory(existing)) throw directoryInTheWay(spot);\n",
    "",
    "leaves a file alone that got its name meanwhile",
  ),
  place(
    "      if (existing !== undefined && isLink(existing)) forgetDirectories(root, parent);\n",
    "",
    "a directory that was reached through the old link is searched again",
    { test: "unit/jail-write.test.ts" },
  ),
  place("  used += 9;\n", "", "has another name each time"),
  place("    crypto.getRandomValues(pool);\n", "", "has another name each time"),
  place(
    '      if (!isErrno(error, "EEXIST") || attempt === 16) throw error;',
    "      throw error;",
    "gets another name if one is taken",
  ),
  inFile("src/jail/fs/place.ts", "attack/home-move.test.ts")(
    "  if (stage.trusted) return stage;",
    "  return stage;",
    "the copy is made where no user can reach it",
  ),
  copied(
    "const stage = requireStage(root, parent);",
    "const stage = parent;",
    "the copy is made where no user can reach it",
  ),
  inFile("src/jail/fs/home-copy.ts", "e2e/interrupted-moves.test.ts")(
    "!lockFile(lock, C.LOCK_EX | C.LOCK_NB)",
    "false",
    "a note removes",
  ),
  copied("    if (made !== undefined) dropAfter(made, root);\n", "", "a disk that fills up"),
  copied(
    '    if (!sameFile(statAt(stage.fd, name), box.stat)) throw new SystemError(C.ESTALE, "rename", undefined);\n',
    "",
    "a copy that was exchanged",
  ),
  copied("    if (!isUnchanged(home)) throw", "    if (home.fd < 0) throw", "a change during the copy"),
  inFile("src/jail/fs/home-place.ts", "attack/home-move.test.ts")(
    'if (made !== "created" && ',
    'if (made === "replaced" && ',
    "an empty directory at the new place",
  ),
  moments("src/jail/fs/copy-home.ts")(
    "??= closeTop(home.fd, (mode) => note?.closes(mode))",
    "??= undefined",
    "nobody else exchanges anything",
  ),
  left("src/jail/fs/copy-home.ts")("    syncFileSystem(box.fd);\n", "", "on the disk"),
  left("src/users/change-account.ts")("    syncPlace(move.to, move.toPath);\n", "", "on the disk"),
  left("src/jail/fs/copy-home.ts")("    finishTop();\n", "", "what they say heals it"),
  left("src/jail/fs/home-copy.ts")(
    "    if (stays(hostPath(root, joinPath(stage.path, name)))) continue;\n",
    "",
    "may be the only one",
  ),
  moments("src/jail/fs/home-top.ts")(
    "=> (mode & 0o7700) |",
    "=> (mode & 0o7707) |",
    "nobody else exchanges anything",
  ),
  moments("src/users/change-account.ts")(
    "if (!isUnchanged(source) || ",
    "if (!isUnchanged(source) && ",
    "when it was opened for the last look",
  ),
  moments("src/jail/fs/empty.ts")("sameFile(stat, seen)) return {", "true) return {", "when it was examined"),
  workedIn("src/jail/fs/home-top.ts")("=> (mode & 0o7700) |", "=> (mode & 0o7770) |", "they do not reach it"),
  workedIn("src/jail/fs/home-top.ts")(
    "if (isClosedFrom(top, mode)) chmodFd",
    "if (modeOf(top) === mode) chmodFd",
    "the home is as before",
  ),
  workedIn("src/jail/fs/home-fill.ts")("this.home.closed?.mode : ", "undefined : ", "they do not reach it"),
  home(
    "  if (fstat(fd).uid === uid) return fd;",
    "  if (fd >= 0) return fd;",
    "a home that belongs to somebody else",
  ),
  filled(": 0o1777;", ": 0o7777;", "setuid, setgid and capabilities"),
  inFile("ffi/stat-keys.ts", "attack/home-move.test.ts")(
    "words[4 + word] = from[CTIME + word] ?? 0;",
    "words[4 + word] = 0;",
    "a change during the copy",
  ),
  threads("src/jail/fs/home-remove.ts")(" || !seen.mayRemoveLast()", "", "what is not as it was copied"),
  threads("src/jail/fs/home-remove.ts")(
    "home.thread.isStarted && isStillAt(root, path, top)",
    "home.thread.isStarted",
    "a home that has another place",
  ),
  threads("src/jail/fs/home-remove.ts")(
    "if (this.seen.mayRemoveLast()) unlinkAt",
    "unlinkAt",
    "a directory that appears in place of an empty one",
  ),
  threads("src/jail/fs/home-slots.ts")("      first += names.length;\n", "", "many small directories"),
  threads("src/jail/fs/home-thread.ts")("if (stat.nlink > 1) return;", "", "everything arrives unchanged"),
  filled("openAt2(dirfd, path, flags, WITHIN)", "openAt(dirfd, path, flags)", "a file that is a mount point"),
  threads("src/jail/fs/home-thread.ts")(
    '          if (!isErrno(error, "EEXIST")) unlinkIfPresent(to, name);\n',
    "",
    "what the other thread could not copy",
  ),
  threads("src/jail/fs/home-pass.ts")(
    "if (told === undefined) share.work.own(name);",
    "if (told === undefined) continue;",
    "everything arrives unchanged",
  ),
  threads("src/jail/fs/home-pass.ts")(
    "    for (const share of this.#shares) closeShare(share);\n",
    "",
    "an error of this thread",
  ),
  filled(
    'if (isErrno(error, "EEXIST")) throw homeChanged(this.home.path);\n',
    'if (isErrno(error, "EEXIST")) return;\n',
    "a name that was listed twice",
  ),
  cleaned("!isRegular(stat) || grantsPower", "grantsPower", "a FIFO and a socket"),
  cleaned("|| grantsPower(level.fd, name, stat.mode)) {", ") {", "programs that give rights"),
  cleaned("seen.count < seen.links;", "false;", "a file with a name outside"),
  cleaned(
    "      if (first === undefined) copyFile",
    "      if (index >= 0) copyFile",
    "a file with a name outside",
  ),
  cleaned(
    "if (name !== home) unlinkIfPresent",
    "if (name === name + home) unlinkIfPresent",
    "at each of its calls",
  ),
  inPlace("src/system/grants.ts")(
    "|| hasXattr(dirfd, name, CAPABILITY);",
    "&& hasXattr(dirfd, name, CAPABILITY);",
    "programs that give rights",
  ),
  inPlace("src/users/move-aside.ts")(
    "  if (isRootAbove(aside.parent.path)) {",
    '  if (isRootAbove("/")) {',
    "a process whose root is above",
  ),
  inPlace("src/users/move-aside.ts")(
    "    if (aside !== undefined) restore(aside, error);\n",
    "",
    "if usermod fails",
  ),
  inPlace("src/users/move-aside.ts")("      undo();\n", "", "if the new place is taken"),
  aside("src/users/move-aside.ts")('  if (to.path === "/") return false;\n', "", "a home that leaves a jail"),
  aside("src/jail/fs/home-move.ts")(
    "return trusted && isSame;",
    "return isSame;",
    "a directory that others can write",
  ),
  aside("src/jail/fs/home-aside.ts")(
    "  const isOurs = stat.uid === 0 && ",
    "  const isOurs = stat.uid >= 0 && ",
    "a directory of that name",
  ),
  gone("src/jail/fs/whole-home.ts")("  removal.examine(fd);\n", "", "it was not taken away"),
  gone("src/jail/fs/whole-home.ts")("      examine(fd);\n", "", "until it is taken away puts it back"),
  gone("src/jail/fs/whole-home.ts")("      putBackGone(gone);\n", "", "until it is taken away puts it back"),
  gone("src/jail/fs/whole-home.ts")(
    "(box) => attempt(() => note?.boxAt(box))",
    "() => undefined",
    "is told by the page",
  ),
  gone("src/jail/fs/gone-home.ts")(
    "if (stat.uid === home.uid || ",
    "if (stat.uid >= 0 || ",
    "lets nobody have root remove",
  ),
  gone("src/jail/fs/home-copy.ts")(
    "    if (isGoneName(name)) removeRestIn(root, path, lock);\n",
    "",
    "lets nobody have root remove",
  ),
  gone("src/declaration/carry-out/removable.ts")(
    '  if (found.flags !== "") throw heldIn(place, at);\n',
    "",
    "chattr",
  ),
  gone("src/declaration/carry-out/removable.ts")('|| top.flags !== ""', "", "chattr"),
  taken("parent.trusted ? makeBox", "parent.fd >= 0 ? makeBox", "others can write it"),
  taken("lockFile(fd, C.LOCK_EX | C.LOCK_NB)", "fd >= 0", "as long as it is locked"),
  taken("if (!sameFile(statAt(box.fd, HOME), seen)) {", "if (box.fd < 0) {", "another one than was seen"),
  closed("src/jail/fs/home-top.ts")(
    "        setXattr(top, FORMER_MODE, toBytes(octal(mode)));\n",
    "",
    "if a run was killed",
  ),
  closed("src/jail/fs/home-top.ts")(" | C.S_ISVTX;", ";", "if it was closed by hand meanwhile"),
  temporary("src/jail/fs/left.ts")(
    "|| !lockFile(fd, C.LOCK_EX | C.LOCK_NB)) return false;\n    // It may",
    ") return false;\n    // It may",
    "is a user's stays",
  ),
  temporary("src/jails/whose-files.ts")(
    "answered(() => isHeldPath(root, path)) === true",
    "false",
    "keeps no jail",
  ),
  temporary("src/jails/whose-files.ts")(
    "answered(() => isHeldPath(root, path)) === true",
    'path.includes("/.jk-put-")',
    "is a user's stays",
  ),
  left("src/jail/fs/home-copy.ts")("onlyRootWrites(stage.stat) && ", "", "a note"),
  left("src/jail/fs/home-copy.ts")("  if (!isCopyName(name)) return undefined;\n", "", "a note"),
  left("src/jail/fs/move-notes.ts")("!lockFile(fd, how | C.LOCK_NB) ||", "", "at work"),
  left("src/jail/fs/move-notes.ts")("trusted && stat.uid === 0 &&", "stat.uid === 0 ||", "others can write"),
  left("src/jail/fs/home-moves.ts")("modeBefore(fd, false)", "modeBefore(fd)", "opened since"),
  left("src/jails/follow-move.ts")("    followLeft(move.from, move.to);\n", "", "adopt --moved"),
  left("src/jails/follow-move.ts")(" || isNoted(from)) return", ") return", "adopt --moved"),
  left("src/jail/fs/home-copy.ts")(
    "!isRootsAlone(stat) || !lockFile(lock",
    "!lockFile(lock",
    "others can enter",
  ),
  left("src/jail/fs/home-rest.ts")(
    "copied?.has(file, top) === true",
    "copied !== undefined",
    "came by a rename",
  ),
  left("src/jail/fs/home-rest.ts")(
    "!isThere && !isPlaced && homeOf(noted)",
    "!isThere && homeOf(noted)",
    "a file system is away",
  ),
  left("src/jail/fs/home-rest.ts")(
    "  if (isHome) return `",
    "  if (path === '') return `",
    "is another account's",
  ),
  left("src/jail/fs/home-rest.ts")(
    "!isThere && isHome ? undefined",
    "isHome ? undefined",
    "is another account's",
  ),
  left("src/jail/fs/home-rest.ts")(
    "if (own !== undefined) return which(own.home);",
    'return own === undefined ? "none" : which(own.home);',
    "may have another name",
  ),
  left("src/jail/fs/home-moves.ts")(
    "    held.write({ ...noted, isPlaced: true });\n",
    "",
    "a file system is away",
  ),
  left("src/jail/fs/home-moves.ts")(
    'which === undefined || which === "after" ||',
    "which === undefined ||",
    "may be the only one",
  ),
  left("src/jail/fs/home-moves.ts")("|| !isHomeThere;", ";", "may be the only one"),
  left("src/jail/fs/home-moves.ts")(
    "isAlone && rest === undefined ? now?.mode",
    "isAlone ? now?.mode",
    "is away",
  ),
  waits("src/jail/fs/home-moves.ts")("    if (!isIn) return undefined;\n", "", "killed before"),
  waits("src/jail/fs/home-moves.ts")(
    'lookUp(tree, home) === undefined ? "back" : undefined',
    '"back"',
    "stays, and both are told",
  ),
  waits("src/users/move-aside.ts")(
    "  note.asideFor(fstat(source.fd).ino, realPlace(to, toPath));\n",
    "",
    "tell it",
  ),
  waits("src/users/move-aside.ts")(
    "    if (dryRun) throw stillAside(user, left.box.path);\n",
    "",
    "a dry run says",
  ),
  held("src/jail/fs/copy-home.ts")("    holdPlace(root, to);\n", "", "below a sticky directory"),
  held("src/users/move-aside.ts")("  holdPlace(to, toPath);\n", "", "below a sticky directory"),
  held("src/users/move-aside.ts")("throw new NotUndone(why, failure);", "throw why;", "cannot be set back"),
  held("src/users/change-account.ts")(
    "    if (error instanceof NotUndone) throw error.at(copy.path);\n",
    "",
    "with a copy that gets no place",
  ),
  held("src/users/move-aside.ts")(
    "    if (error instanceof NotUndone) throw error.at(asidePath(fromPath));\n",
    "",
    "without a copy that gets no place",
  ),
  held("src/jail/fs/copy-home.ts")(
    "realPlace(root, to), inodes",
    "hostPath(root, to), inodes",
    "with a copy that a killed",
  ),
  held("src/users/move-aside.ts")(
    "realPlace(to, toPath));\n",
    "hostPath(to, toPath));\n",
    "without a copy that a killed",
  ),
  held("src/jail/fs/home-place.ts")(
    "else if (isHeld(there)) renameAt",
    "else if (there !== undefined) renameAt",
    "with a copy that gets no place",
  ),
  inFile("src/status/lines.ts", "e2e/status.test.ts")(
    "if (groups.has(gid)) return",
    "return",
    "a jail whose etc/group is none",
  ),
  inFile("src/jail/accounts/accounts.ts", "e2e/status.test.ts")(
    '"ELOOP", "EINVAL", "ENOTDIR"',
    '"ENOTDIR"',
    "a jail whose etc/passwd is none",
  ),
  inFile("src/jails/jails.ts", "e2e/status.test.ts")(" || linkIn(path) === path", "", "by a symbolic link"),
  inFile("src/users/change-account.ts", "e2e/home-mounts.test.ts")(
    "if (stays !== undefined) {",
    "if (false) {",
    "is copied, and stays",
  ),
  inFile("src/lint/declaration.ts", "e2e/apply-findings.test.ts")(
    "NO_PLACE.includes(error.code)",
    "false",
    "bad-path",
  ),
  inFile("src/declaration/compare/host-home.ts", "e2e/apply-remedies.test.ts")(
    "if (other === undefined) return undefined;\n",
    "return undefined;\n",
    "a missing home that other accounts have",
  ),
  held("src/users/own-home.ts")(
    "isVacant(root, home)) !== true) return undefined;\n  const isOwn",
    "lookUp(root, home) === undefined) !== true) return undefined;\n  const isOwn",
    "no note tells any more: what status",
  ),
  held("src/check/accounts.ts")(
    "stat?.uid === uid ? undefined : this",
    "stat !== undefined ? undefined : this",
    "no note tells any more: what jk_check",
  ),
  held("src/declaration/compare/look-user.ts")(
    "stat === undefined || isHeld(stat) ? homeElsewhere",
    "stat === undefined ? homeElsewhere",
    "no note tells any more: what apply",
  ),
  held("src/explain/home-elsewhere.ts")(
    '["home-present", "home-owner"]',
    '["home-present"]',
    "no note tells any more: what explain",
  ),
  held("src/users/change-account.ts")(
    "!isVacant(to, toPath) && !isLeftAt",
    "lookUp(to, toPath) !== undefined && !isLeftAt",
    "with a copy of which no note tells any more",
  ),
  held("src/jail/fs/home-place.ts")(
    " && !isVacant(root, to)) throw",
    ") throw",
    "with a copy of which no note tells any more",
  ),
  held("src/jail/fs/home-place.ts")(", isEmptyDirectory),", ", () => true),", "with something in it"),
  held("src/users/change-account.ts")("    note.drops();\n", "", "with a copy whose account usermod"),
  held("src/jail/fs/home-aside.ts")("  syncMoved(root, to);\n", "", "before its note goes"),
  held("src/jail/fs/home-aside.ts")("  syncMoved(host, path);\n", "", "before its note goes"),
  held("src/jail/fs/home-note.ts")(
    "    throw namedError(error, MOVES);\n",
    "    return undefined as T;\n",
    "cannot be written down",
  ),
  inFile("src/jail/fs/home-rest.ts", "unit/home-rest.test.ts")(
    "box === asideBox(home);",
    "both.homeInode === both.copyInode;",
    "one inode number",
  ),
  waits("src/status/gather.ts")("|| !awaited.has(subject)", "|| true", "tell it"),
  left("src/jail/fs/home-moves.ts")(
    "(about !== undefined && !isAbout(noted, about))",
    "false",
    "of others stays",
  ),
  left("src/jail/fs/home-moves.ts")(
    "paths.some((path) => places.some((place) => meet(path, place)))",
    "false",
    "of others stays",
  ),
  left("src/jail/fs/home-moves.ts")("      syncPlace(tree, rest.to);\n", "", "before another run removes"),
  left("src/jail/fs/home-moves.ts")(" || topAbove(tree, path) !== top", "", "closed home is not forgotten"),
  left("src/jail/fs/home-moves.ts")("topAbove(tree, path) !== top", "true", "is forgotten"),
  left("src/check/accounts.ts")('elsewhere === "told"', "false", "killed after.*what they say heals it"),
  left("src/jails/whose-files.ts")(
    "copies.some((copy) => below(path, copy) !== undefined) ||",
    "",
    "removes a jail",
  ),
  closed("src/jail/fs/home-fill.ts")(" && !isOfClosedTop(name)", "", "if a run was killed"),
  inFile("src/jail/fs/home-remove.ts", "attack/remove-race.test.ts")(
    "(stat) => home.seen.mayRemove(stat)",
    "() => true",
    "what appears in a home after the last check",
  ),
  parents(
    "one.stat.mode & C.S_ISVTX ? ownerFinding(one.path, one.stat) : parentFindings(one);",
    "one.stat.mode & C.S_ISVTX ? [] : parentFindings(one);",
    "others could exchange",
  ),
  parents(
    "one.stat.mode & C.S_ISVTX ? ownerFinding(one.path, one.stat) : parentFindings(one);",
    "one.stat.mode & 0o7000 ? ownerFinding(one.path, one.stat) : parentFindings(one);",
    "others could exchange",
  ),
  parents(
    "  const findings = root.ancestors.flatMap(found);\n  const { directory",
    "  const findings: Finding[] = [];\n  const { directory",
    "others could exchange",
  ),
  parents("count <= parts.length; count++", "count < parts.length; count++", "others could exchange"),
  copy('  check(libc.ftruncate(to, end + shift), "ftruncate");\n', "", "holes"),
  copy("    seek(to, data + shift, C.SEEK_SET);\n", "", "holes"),
  copy("  if (left < end) return", "  if (left < 0) return", "shorter"),
  copy(
    "  if (firstHole === undefined || firstHole >= end) return undefined;",
    "  if (firstHole !== undefined) return undefined;",
    "holes",
  ),
  plan(
    "  if (services.length > 0 && !userFiles) {",
    "  if (services.length < 0) {",
    "refuses while a user of a name service",
  ),
  plan(
    "  if (!userFiles) requireNobodyElse(plan.request, owners, unread);\n",
    "",
    "refuses while files of any other uid",
  ),
  owners(
    "  if (entry?.uid !== uid) return false;\n",
    "",
    "does not count files that were copied with their owner",
  ),
  whose(
    "!isAsPut(entries.get(path), usage)",
    "true",
    "does not count files that were copied with their owner",
  ),
  owners(
    "(entry.size === size && (entry.mtime ?? mtime) === mtime)",
    "true",
    "does not count files that were copied with their owner",
  ),
  owners(
    "(entry.mtime ?? mtime) === mtime",
    "true",
    "does not count files that were copied with their owner",
  ),
  whose("!leaving.has(usage.uid) && ", "", "does not count files that were copied with their owner"),
  deletion(
    "  const mayGo = withSeenJail(jail, seen, (root) => requireStillDeletable(root, plan));\n",
    "  const mayGo = () => true;\n",
    "sees what is below a mount",
  ),
  deletion(
    "removeTree(tree, jail, seen, mayGo, { name })",
    "removeTree(tree, jail, seen, undefined, { name })",
    "after the last check",
    {
      test: "attack/remove-race.test.ts",
    },
  ),
  deletion(
    '  if (stays.length > 0) throw refuse("home-stays", stays.join("; "));\n',
    "",
    "where the jail is deleted",
    { test: "attack/remove-race.test.ts" },
  ),
  services(
    "  for (const uid of uids) ask(() => accounts.userByUid(uid), false);\n",
    "",
    "found by the owner of a home",
  ),
  services(
    "  for (const { name } of passwd) ask(() => accounts.userByName(name), true);\n",
    "",
    "jailkit list, jailkit disk",
  ),
  plan(
    "  if (finding !== undefined) {",
    "  if (seen.ino === 0n && finding !== undefined) {",
    "below a directory that others can write",
    { test: "attack/remove-race.test.ts" },
  ),
  hosts("hostDirectory(directory) ?? amongThem(SHARED, directory)", "hostDirectory(directory)", "/var/tmp"),
  hosts("names.some(isStrict) ? undefined : names", "names", "becomes a jail"),
  inFile("src/jail/fs/safety.ts", "e2e/host-directories.test.ts")(
    "if (own === undefined || why === undefined)",
    "if (own !== undefined)",
    "is not closed",
  ),
  inFile("src/check/directories.ts", "e2e/host-directories.test.ts")(
    ' && typed(advice) !== ""',
    "",
    "is not closed",
  ),
  hosts(
    "    return stat !== undefined && sameFile(stat, directory);",
    '    return stat !== undefined && stat.ino === directory.ino && path === "";',
    "/srv/bound-boot",
  ),
];

import type { Mutant } from "./mutant.ts";
