// biome-ignore-all lint/suspicious/noTemplateCurlyInString: it is the text of the code
/** Who can change a jail, what is written into one, and what a file grants: directories, ACLs, links and modes. */

type Change = readonly [from: string, to: string, equivalent?: string];

/** Mutants of one file, which the tests of another find. */
const within = (file: string, test: string, changes: readonly Change[]): Mutant[] =>
  changes.map(([from, to, equivalent]) => ({
    ...{ file, from, to, test },
    ...(equivalent === undefined ? {} : { equivalent }),
  }));

const REFUSED = "e2e/refused-names.test.ts";
// The directories of a jail that are root's alone.
const LIST = '["dev", "etc", "usr", "bin", "sbin", "opt", "run", "root"]';

export const JAIL: readonly Mutant[] = [
  ...within("src/system/exchange.ts", "unit/jail-rules.test.ts", [
    [
      "return stat.uid === 0 && (stat.mode & 0o022) === 0;",
      "return stat.uid === 0 && (stat.mode & 0o002) === 0;",
    ],
    [
      "return stat.uid === 0 && (stat.mode & 0o022) === 0;",
      "return stat.uid === 0 && (stat.mode & 0o020) === 0;",
    ],
    ["return stat.uid === 0 && (stat.mode & 0o022) === 0;", "return (stat.mode & 0o022) === 0;"],
    ["return stat.uid === 0 && (stat.mode & 0o022) === 0;", "return stat.uid === 0;"],
    [
      "(stat.mode & 0o020) !== 0 && stat.gid === 0 && (stat.mode & S_ISVTX) === 0",
      "stat.gid === 0 && (stat.mode & S_ISVTX) === 0",
    ],
    [
      "(stat.mode & 0o020) !== 0 && stat.gid === 0 && (stat.mode & S_ISVTX) === 0",
      "(stat.mode & 0o020) !== 0 && (stat.mode & S_ISVTX) === 0",
    ],
    [
      "(stat.mode & 0o020) !== 0 && stat.gid === 0 && (stat.mode & S_ISVTX) === 0",
      "(stat.mode & 0o020) !== 0 && stat.gid === 0",
    ],
    [
      "(stat.mode & 0o020) !== 0 && stat.gid === 0 && (stat.mode & S_ISVTX) === 0",
      "(stat.mode & 0o020) !== 0 && stat.gid === 0 && (stat.mode & 0o7000) === 0",
    ],
  ]),
  ...within("src/jail/fs/walk.ts", "unit/jail-rules.test.ts", [
    ["const trusted = parent.trusted && onlyRootWrites(stat);", "const trusted = onlyRootWrites(stat);"],
    ["const above = parent.trusted ? parent : parent.stage;", "const above = parent.stage;"],
    ["const above = parent.trusted ? parent : parent.stage;", "const above = parent;"],
    ["if (!mayFollow(here, stat)) throw linkRefused(this.root, this.at);", ""],
    ["cached: trusted && keep", "cached: keep"],
    ['acl: toleratesGroup(stat) ? aclAt(fd, ".") : "none"', 'acl: "none"'],
    ["trusted: onlyRootWrites(stat), stage", "trusted: true, stage"],
  ]),
  ...within("src/jail/fs/walk.ts", "attack/escape-mount.test.ts", [
    ["stage: !trusted && renames ? above : undefined", "stage: !trusted ? above : undefined"],
  ]),
  ...within("src/jail/fs/lock.ts", "unit/jail-lock.test.ts", [
    ["return there !== undefined && sameFile(there, fstat(fd));", "return there !== undefined;"],
    ["directory, name, flags, 0o600)", "directory, name, flags, 0o644)"],
  ]),
  ...within("src/jail/record/jail-lock.ts", "e2e/locks.test.ts", [
    ["    held.take(paths.map(nameOfPath));\n", ""],
  ]),
  ...within("src/jail/record/registry.ts", "e2e/locks.test.ts", [
    ["  registryExists(tree, registry);\n", ""],
  ]),
  ...within("src/jail/fs/write-findings.ts", "unit/jail-rules.test.ts", [
    ["return stat.uid === 0\n    ? []", "return true\n    ? []"],
    [
      "  const findings = ownerFinding(path, stat);\n  if (stat.mode & 0o020) findings",
      "  const findings: Finding[] = [];\n  if (stat.mode & 0o020) findings",
    ],
    [
      "  const findings = ownerFinding(path, stat);\n  if (stat.mode & 0o020) findings.push(groupWriteFinding(path, stat));",
      "  const findings = ownerFinding(path, stat);",
    ],
    [
      "  const findings = ownerFinding(path, stat);\n  if (stat.mode & 0o020) findings.push(groupWriteFinding(path, stat));\n  if (stat.mode & 0o002) findings.push(otherWriteFinding(path, stat));",
      "  const findings = ownerFinding(path, stat);\n  if (stat.mode & 0o020) findings.push(groupWriteFinding(path, stat));",
    ],
    [
      "  const findings = ownerFinding(path, stat);\n  if (stat.mode & 0o020) findings",
      "  const findings = ownerFinding(path, stat);\n  if (stat.mode & 0o020 && stat.gid !== 0) findings",
    ],
    [
      "  if (stat.mode & 0o020) findings.push(groupWriteFinding(path, stat));\n  if (stat.mode & 0o002)",
      "  if (stat.mode & 0o020) findings.push(groupWriteFinding(path, stat));\n  if (stat.mode & 0o004)",
    ],
    ["if (stat.mode & 0o020 && stat.gid !== 0) findings", "if (stat.mode & 0o020) findings"],
    ["if (stat.mode & 0o020 && stat.gid !== 0) findings.push(groupWriteFinding(path, stat));", ""],
    [
      "if (stat.mode & 0o020 && stat.gid !== 0) findings",
      "if (stat.mode & 0o020 && stat.gid !== 0 && !(stat.mode & C.S_ISVTX)) findings",
    ],
    ["if (toleratesGroup(stat)) findings.push(...aclFindings(path, stat, acl));", ""],
    [
      "if (stat.mode & 0o002 && !(stat.mode & C.S_ISVTX)) findings",
      "if (stat.mode & 0o002 && !(stat.mode & 0o7000)) findings",
    ],
    ["if (stat.mode & 0o002 && !(stat.mode & C.S_ISVTX)) findings", "if (stat.mode & 0o002) findings"],
    ["if (stat.mode & 0o002 && !(stat.mode & C.S_ISVTX)) findings.push(otherWriteFinding(path, stat));", ""],
    ['if (acl === "unknown") return [groupWriteFinding(path, stat)];', 'if (acl === "unknown") return [];'],
    ["if (writers.length === 0) return [];", "return [];"],
  ]),
  ...within("src/jail/fs/safety.ts", "unit/jail-rules.test.ts", [
    ["for (const one of root.ancestors) findings.push(...parentFindings(one));", ""],
    [
      "ancestorAt(hostPath(root, one.path), one)",
      '{ path: hostPath(root, one.path), stat: one.stat, acl: "none" }',
    ],
    ["findings.push(...strictFindings(root.path, root.top.stat));", ""],
    [
      '  if (stat.gid !== 0) {\n    findings.push(grave(finding(path, "group"',
      '  if (stat.gid === -1) {\n    findings.push(grave(finding(path, "group"',
    ],
    ["if (stat.mode & 0o002) findings.push(grave(otherWriteFinding(path, stat)));", ""],
    [
      "if (stat.mode & 0o002) findings.push(grave(otherWriteFinding(path, stat)));",
      "if (stat.mode & 0o002 && !(stat.mode & C.S_ISVTX)) findings.push(grave(otherWriteFinding(path, stat)));",
    ],
    ["tolerated: stat.gid === 0 }", "tolerated: true }"],
    [
      "const named = stat.gid === 0 ? aclFindings(path, stat, aclAt(C.AT_FDCWD, path)) : [];",
      "const named: Finding[] = [];",
    ],
    ["for (const found of ownerFinding(path, stat)) findings.push(grave(found));", ""],
  ]),
  ...within("src/jail/fs/look.ts", "unit/jail-safety.test.ts", [
    ["if (!mayFollow(directory, stat)) throw", "if (!directory.trusted) throw"],
  ]),
  ...within("src/check/accounts.ts", "unit/check-accounts.test.ts", [
    [" || relaxed(real).relaxHomeGroup", ""],
    ["|| relaxed(real).relaxHomeOwner)", "|| true)"],
    [" || relaxed(real).relaxHomeOwner)", ")"],
    ["if (stat.gid === gid || ", "if (stat.gid !== gid || "],
    ["owner === 0 || owner === uid || known", "owner === 0 || owner !== uid || known"],
    ["owner === 0 || owner === uid || known", "owner === 0 || known"],
  ]),
  ...within("src/explain/installed.ts", "unit/shell-words.test.ts", [
    ["!(isExecutable && holds) && !isJailkit3(fd, size)", "!(isExecutable && holds) && false"],
    ["place === program || isRootsProgram(program)", "place === program || isRootsProgram(place)"],
  ]),
  ...within("src/users/leaving.ts", "unit/jail-user-plan.test.ts", [
    [
      "recorded(name) ?? [shell, usualShell()].find(isClosed)",
      "recorded(name) ?? [shell, usualShell()].at(-1)",
    ],
    ["recorded(name) ?? [shell, usualShell()].find(isClosed)", "[shell, usualShell()].find(isClosed)"],
  ]),
  ...within("src/update/remove-extras.ts", "unit/remove.test.ts", [
    ["!isOurs || file !== directory + path", "!isOurs"],
  ]),
  ...within("src/populate/apply/log-socket.ts", "unit/remove.test.ts", [
    ["own.length > 0 && foreign === undefined", "own.length > 0"],
  ]),
  ...within("src/populate/apply/log-socket.ts", "e2e/suggestions.test.ts", [
    ["if (sections.length > 0 || foreign === undefined) return found;", "return found;"],
  ]),
  ...within("src/jails/follow-move.ts", "e2e/suggestions.test.ts", [
    [" || !logSocketSections(from).isOurs", ""],
    ["logSocketSections(to).foreign === undefined ?", "true ?"],
  ]),
  ...within("src/jails/follow-move.ts", "e2e/adopt.test.ts", [
    ["isNamed || linkedJail(from) !== undefined ||", "isNamed ||"],
    ["isNamed || linkedJail(from) !== undefined ||", "true ||"],
    ["record !== undefined || isDeclared", "isDeclared"],
  ]),
  ...within("src/jail/record/emptied.ts", "e2e/emptied.test.ts", [
    ["tops.size > 0 && [...tops].every(", "[...tops].some("],
  ]),
  ...within("src/populate/record/start-over.ts", "e2e/apply-one-run.test.ts", [
    ['  hideFromJail(root, "live", recorded, say);\n', ""],
    ["if (directories.length > 0) hideLeft", "if (false) hideLeft"],
  ]),
  ...within("src/populate/record/left-mounts.ts", "e2e/live-left.test.ts", [
    ["!isMounted(root, path) || hides(path)", "true"],
    ["!isMounted(root, path) || hides(path)", "!isMounted(root, path)"],
    ["others.length === 0 || mountRemedy(root.path) !== undefined", "others.length === 0"],
    ["    if (mountRemedy(jail) !== undefined) return undefined;\n", ""],
    ["liveCopyProblem(root, content) !== undefined || isBare(jail)", "isBare(jail)"],
    ["asked.length === 0 || asked.includes(jail)", "true"],
  ]),
  ...within("src/jails/live.ts", "e2e/live-left.test.ts", [["    requireNotMoved(jail);\n", ""]]),
  ...within("src/jails/forget.ts", "e2e/live-left.test.ts", [
    ["removeLiveLines(jail, { directories })", "removeLiveLines(jail)"],
  ]),
  ...within("src/populate/record/start-over.ts", "e2e/emptied.test.ts", [
    ["  if (!isEmptied(root, manifest.content)) return [];\n", ""],
    ["content.entries.clear();", ""],
    ["content.requests.splice(0, content.requests.length, ...others);", ""],
  ]),
  ...within("src/jails/forget.ts", "e2e/emptied.test.ts", [
    ["present && !isKnownEmptied(jail)", "!isKnownEmptied(jail)"],
    ["present && !isKnownEmptied(jail)", "present"],
  ]),
  ...within("src/populate/apply/library-cache.ts", "attack/loose-directories.test.ts", [
    ["  requireOwnDirectories(root);\n", ""],
    ["[AUXILIARY, ...loader", "[...loader"],
    ["...loader.configuredDirectories(), ", ""],
  ]),
  ...within("src/update/plan/compare.ts", "attack/loose-directories.test.ts", [
    ["if (isLoose(entry.path) && !onlyRootWrites(stat)) return false;", ""],
  ]),
  ...within("src/jail/fs/safety.ts", "attack/loose-directories.test.ts", [
    ["isOfKernel(name) && !onSameMount(root.top.stat, stat)", "false"],
    ["isOfKernel(name) && !onSameMount(root.top.stat, stat)", "isOfKernel(name)"],
  ]),
  ...within("src/jail/fs/strict.ts", "unit/jail-safety.test.ts", [
    ["directory.trusted && (link.uid === 0 || !isLoose(directory.path))", "directory.trusted"],
    ["(link.uid === 0 || !isLoose(directory.path))", "link.uid === 0"],
    [
      'OF_THE_KERNEL.includes(name) || name.startsWith("lib")',
      'OF_THE_KERNEL.includes(name) || name === "lib"',
    ],
    ...["dev", "etc", "usr", "bin", "sbin", "opt", "run"].map(
      (name) =>
        [
          `const STRICT: readonly ByteString[] = ${LIST}`,
          `const STRICT: readonly ByteString[] = ${LIST.replace(`"${name}", `, "")}`,
        ] as const,
    ),
    ['"opt", "run", "root"]', '"opt", "run"]'],
    ['["proc", "sys"]', '["proc"]'],
    ['["proc", "sys"]', '["sys"]'],
  ]),
  ...within("src/jail/fs/safety.ts", "unit/jail-safety.test.ts", [
    ["if (dangling.trusted) return [];", "return [];"],
    ["if (above !== undefined) return above.trusted;", "if (above !== undefined) return true;"],
    ["    return directory.trusted;", "    return true;"],
    ["if (findings.length > 0 || directory.trusted) return findings;", "return findings;"],
    ["  if (isLink(stat)) {\n    // A directory with", "  if (path === '') {\n    // A directory with"],
  ]),
  ...within("src/jail/fs/write.ts", "unit/jail-rules.test.ts", [
    ["C.O_CREAT | C.O_EXCL | C.O_NOFOLLOW, 0o600)", "C.O_CREAT | C.O_EXCL | C.O_NOFOLLOW, 0o666)"],
    [
      'if ((node.type === "char" || node.type === "block") && !parent.trusted) {',
      'if (node.type === "block" && !parent.trusted) {',
    ],
    [
      'if ((node.type === "char" || node.type === "block") && !parent.trusted) {',
      'if (node.type === "char" && !parent.trusted) {',
    ],
    ["const inherits = hasDefaultAcl(stage.fd);", "const inherits = false;"],
    ["const mode = inherits ? attributes.mode & 0o700 : attributes.mode;", "const mode = attributes.mode;"],
    ["if (inherits) dropInheritedAclOfPath(fd);", ""],
    ["if ((fstat(fd).mode & 0o7777) !== attributes.mode) chmodPath(fd, attributes.mode);", ""],
  ]),
  ...within("src/jail/fs/directories.ts", "unit/jail-rules.test.ts", [
    ["return isBornAs(parent, attributes) && !inheritsAcl(parent);", "return isBornAs(parent, attributes);"],
    ["return isBornAs(parent, attributes) && !inheritsAcl(parent);", "return !inheritsAcl(parent);"],
    ["(mode & ~0o755) !== 0", "mode < 0"],
  ]),
  ...within("src/jail/fs/new-file.ts", "unit/jail-rules.test.ts", [
    ["C.O_WRONLY | C.O_TMPFILE, 0o600)", "C.O_WRONLY | C.O_TMPFILE, 0o666)"],
    ["const has = attempt(() => hasDefaultAcl(stage.fd)) ?? true;", "const has = false;"],
    ["  if (inherits) dropInheritedAcl(fd, false);\n", ""],
    ["if (uid !== own.uid || gid !== own.gid) return false;", "return true;"],
    ["if (uid !== own.uid || gid !== own.gid) return false;", "if (uid !== own.uid) return false;"],
    ["if (uid !== own.uid || gid !== own.gid) return false;", "if (gid !== own.gid) return false;"],
    [
      "return stat.gid === gid && (stat.mode & C.S_ISGID) === 0;",
      "return stat.gid === gid;",
      "A file of a setgid directory gets its gid, which is the one that is asked for.",
    ],
    ["chmodFd(fd, attributes.mode);", ""],
  ]),
  ...within("src/jail/fs/new-file.ts", "e2e/init-threads.test.ts", [
    ["!namelessFiles || !hasLabelOf(spot.parent, madeIn)", "!namelessFiles"],
  ]),
  ...within("src/populate/apply/ahead.ts", "e2e/init-threads.test.ts", [
    ["if (isFor(job, entry)) return fd;", "if (entry !== undefined) return fd;"],
    ['if (entry.action === "create" && isFor(job, entry)) last[index] = 1;', "last[index] = 1;"],
    ['if (entries.every(({ action }) => action !== "replace")) {', "if (last.length > 0) {"],
    ["      if (state === PLACED) placed.add(entry);\n", ""],
    ['    if (state === PLACED) return "placed";\n', ""],
  ]),
  ...within("src/populate/apply/threads.ts", "e2e/init-threads.test.ts", [
    ["job === undefined || last[index] !== 1", "job === undefined"],
    ["if (Atomics.load(shared, OPEN) < most) prepare(", "prepare("],
    ["if (placement !== undefined) end = PLACED;", "end = PLACED;"],
  ]),
  ...within("src/populate/apply/apply.ts", "e2e/init-threads.test.ts", [
    ["    this.present.push(...rest.filter(isThere));\n", ""],
    ["placed?.has(entry) || this.made.has(entry)", "placed?.has(entry)"],
    ["placed?.has(entry) || this.made.has(entry)", "this.made.has(entry)"],
  ]),

  ...within("src/jail/fs/place.ts", "unit/jail-rules.test.ts", [
    ["if (parent.trusted || stage === undefined) return parent;", "return parent;"],
  ]),
  ...within("src/jail/fs/left.ts", "unit/jail-rules.test.ts", [
    ["makeDirectory(stage.fd, candidate, 0o700)", "makeDirectory(stage.fd, candidate, 0o777)"],
  ]),
  ...within("src/jail/fs/directories.ts", "unit/jail-rules.test.ts", [
    ["makeDirectory(parent.fd, name, 0o700);", "makeDirectory(parent.fd, name, 0o777);"],
    ["    dropInheritedAcl(fd, true);\n", ""],
    ["dropInheritedAcl(fd, true);", "dropInheritedAcl(fd, false);"],
    ["    chmodFd(fd, attributes.mode);\n", ""],
  ]),
  ...within("src/jail/fs/attributes.ts", "unit/jail-rules.test.ts", [
    [
      "return stat.uid === 0 || stat.uid !== parent.uid || (!isDirectory(stat) && stat.nlink > 1);",
      "return stat.uid !== parent.uid || (!isDirectory(stat) && stat.nlink > 1);",
    ],
    [
      "return stat.uid === 0 || stat.uid !== parent.uid || (!isDirectory(stat) && stat.nlink > 1);",
      "return stat.uid === 0 || (!isDirectory(stat) && stat.nlink > 1);",
    ],
    [
      "return stat.uid === 0 || stat.uid !== parent.uid || (!isDirectory(stat) && stat.nlink > 1);",
      "return stat.uid === 0 || stat.uid !== parent.uid;",
    ],
    [
      "return stat.uid === 0 || stat.uid !== parent.uid || (!isDirectory(stat) && stat.nlink > 1);",
      "return stat.uid === 0 || stat.uid !== parent.uid || stat.nlink > 1;",
    ],
    ["if (!parent.trusted && mayBeAnothers(parent.stat, stat)) throw sharedWithUsers(path);", ""],
    [
      "if (!parent.trusted && mayBeAnothers(parent.stat, stat)) throw",
      "if (mayBeAnothers(parent.stat, stat)) throw",
    ],
    ["if (stage.trusted) return;\n  const ours", "return;\n  const ours"],
  ]),
  ...within("src/jail/fs/attributes.ts", "unit/jail-write.test.ts", [
    ['if (isLink(stat)) throw new SystemError(C.ELOOP, "chmod", undefined);', ""],
  ]),
  ...within("src/system/acl.ts", "unit/acl.test.ts", [
    ["view.getUint32(0, true) !== VERSION)", "false)"],
    ["(bytes.length - 4) % 8 !== 0 ||", ""],
    ["|| permissions > 7)", ")"],
    ["!known.includes(tag) || ", ""],
    ["of(tag).length !== 1)", "of(tag).length > 1)"],
    ["of(tag).length !== 1)", "of(tag).length === 0)"],
    ["masks.length > 1 || ", ""],
    [" || (naming.length > 0 && masks.length === 0)", ""],
    ["effective: permissions & mask", "effective: permissions"],
    [
      "(of(TAG.groupObject)[0]?.permissions ?? 0) & mask, named",
      "of(TAG.groupObject)[0]?.permissions ?? 0, named",
    ],
    ["(effective & 2) !== 0", "(effective & 6) !== 0"],
    [
      'if (error instanceof SystemError) return "unknown";',
      'if (error instanceof SystemError) return "none";',
    ],
    ['parseAcl(bytes) ?? "unknown"', 'parseAcl(bytes) ?? "none"'],
    ['? "none" : "unknown";\n  } catch', '? "none" : "none";\n  } catch'],
    ["(mode & ~0o070) | (acl.group << 3)", "mode | (acl.group << 3)"],
  ]),
  ...within("src/system/acl.ts", "unit/jail-rules.test.ts", [
    ["    .filter(({ id }) => id !== 0)\n", ""],
    ["(effective & 2) !== 0", "(effective & 7) === 7"],
    ["if (directory && hasXattrOf(fd, DEFAULT_ACL)) removeXattr(fd, DEFAULT_ACL);", ""],
  ]),
  ...within("src/system/grants.ts", "unit/acl.test.ts", [
    ['acl === "unknown" || ', ""],
    ["type === C.S_IFREG && capability()", "false"],
    ["special: type === C.S_IFDIR ? 0 : mode", "special: mode"],
  ]),
  ...within("src/populate/apply/link.ts", "unit/link.test.ts", [
    ["if (capability) return", "if (false) return"],
    ["return namesAnyone(acl) ?", "return false ?"],
    ["mode !== (C.S_IFREG | entry.mode) || ", ""],
    ["|| uid !== entry.uid ", ""],
    [" || gid !== entry.gid) {", ") {"],
    ["whyNotLinked(fd, entry) === undefined", "true"],
    ["const BUT_GROUP = 0o7707;", "const BUT_GROUP = 0o1707;"],
    ["const BUT_GROUP = 0o7707;", "const BUT_GROUP = 0o7777;"],
    ["const BUT_GROUP = 0o7707;", "const BUT_GROUP = 0o7700;"],
  ]),
  ...within("src/populate/plan/modes.ts", "unit/populate-plan.test.ts", [
    ["return { ...stat, mode: modeWithoutAcl(mode, host.acl(path)) };", "return stat;"],
    [
      "if ((mode & 0o070) === 0 || (more === 0 && (keeps & KEEP_OWNER) === 0)) return stat;",
      "if ((mode & 0o070) === 0 || more === 0) return stat;",
    ],
  ]),
  ...within("src/populate/plan/planner.ts", "unit/populate-plan.test.ts", [
    ["strengthen(entry, withoutAcl(host, source, stat, entry.keeps));", "strengthen(entry, stat);"],
    [
      "givenToDirectory(inJail, withoutAcl(host, path, stat, keeps), false, keeps)",
      "givenToDirectory(inJail, stat, false, keeps)",
    ],
  ]),
  ...within("src/populate/plan/leaf.ts", "unit/populate-plan.test.ts", [
    ["givenToFile(withoutAcl(host, path, stat, keeps), keeps)", "givenToFile(stat, keeps)"],
  ]),
  ...within("src/populate/plan/jail-paths.ts", "unit/populate-plan.test.ts", [
    ["real && withoutAcl(host, path, real, keeps)", "real"],
  ]),
  ...within("src/update/plan/compare.ts", "attack/grants.test.ts", [
    ["mayStayLinked(entry) ? ", "true ? "],
    ['real && withoutAcl(host, entry.source ?? "", real, entry.keeps)', "real"],
  ]),
  ...within("src/update/apply/stage.ts", "attack/grants.test.ts", [
    ["if (whyNotLinked(fd, entry) !== undefined) return false;", ""],
  ]),
  ...within("src/populate/apply/apply.ts", "attack/grants.test.ts", [
    ["if (why !== undefined) {", 'if (why === "") {'],
  ]),
  ...within("src/config/scan.ts", "unit/config-scan.test.ts", [
    ["!about.primary && isMember(about.group)", "!about.primary"],
    ["!about.primary && isMember", "isMember"],
    ["groupOfSection(userName) === undefined ? named(userName) : undefined", "named(userName)"],
    ["return known.includes(entry.gid);", "return true;"],
    ["const found = own ?? named(GROUP + groupName);", "const found = own;"],
  ]),
  ...within("src/config/source.ts", "unit/config-load.test.ts", [
    ["flags, C.RESOLVE_IN_ROOT", "flags, 0"],
    ['(stat.mode & 0o020) === 0 ? "none" : aclOf(fd)', '"none"'],
    ["stat.uid !== 0 || writers.length === 0", "stat.uid !== 0 || true"],
  ]),
  ...within("src/config/trusted.ts", "unit/config-load.test.ts", [
    ["if (stat.uid !== 0) return `", "if (stat.uid === -1) return `"],
    [
      "if ((stat.mode & 0o022) === 0) return undefined;\n  return `",
      "if ((stat.mode & 0o002) === 0) return undefined;\n  return `",
    ],
    [
      "if ((stat.mode & 0o022) === 0) return undefined;\n  return `",
      "if ((stat.mode & 0o020) === 0) return undefined;\n  return `",
    ],
    ["if (stat.uid !== 0) return [", "if (stat.uid === -1) return ["],
    [
      "if ((stat.mode & C.S_ISVTX) !== 0) return undefined;",
      "if ((stat.mode & 0o7000) === 0) return undefined;",
    ],
    [
      "if ((stat.mode & 0o022) === 0) return undefined;\n  //",
      "if ((stat.mode & 0o002) === 0) return undefined;\n  //",
    ],
    [
      "if ((stat.mode & 0o022) === 0) return undefined;\n  //",
      "if ((stat.mode & 0o020) === 0) return undefined;\n  //",
    ],
    ["(stat.mode & 0o002) === 0 && stat.gid === 0", "stat.gid === 0"],
    ["(stat.mode & 0o002) === 0 && stat.gid === 0", "(stat.mode & 0o002) === 0"],
    ['acl !== "unknown" && writersOf(acl).length === 0', "true"],
    ["unsafe ??= because(place, fstat(place.directory));", ""],
    [
      "unsafe ??= because(place, fstat(place.directory));",
      "unsafe = because(place, fstat(place.directory));",
    ],
    ["const flags = C.O_NOFOLLOW | ", "const flags = "],
    ["if (uid === 0) return undefined;", "if (uid !== -1) return undefined;"],
    ["if (++links > C.MOST_LINKS)", "if (++links > 1)"],
    ["followed ||= last;", ""],
    ['isInside && target.startsWith("/") ? jail + target : target', "target"],
    ['name === ".." && top !== undefined &&', 'name === ".." && top === undefined &&'],
    [", ...(from?.left ?? [])]", "]"],
    ["const here = `${place.path}/${name}`;", "const here = `/${name}`;"],
  ]),
  ...within("src/jail/fs/source.ts", "unit/link.test.ts", [
    ["FLAGS, C.RESOLVE_NO_SYMLINKS", "FLAGS, 0"],
    ["C.O_NOCTTY | C.O_NOFOLLOW;", "C.O_NOCTTY;"],
  ]),
  ...within("src/populate/apply/library-cache.ts", "attack/acl.test.ts", [
    ["withJailFile(root, CACHE, (fd) => dropInheritedAcl(fd, false), { follow: false });", ""],
  ]),
  ...within("src/check/fix/fix.ts", "attack/acl.test.ts", [
    ["modeWithoutAcl(stat.mode, aclOf(fd)) & 0o7777", "stat.mode & 0o7777"],
  ]),
  ...within("src/check/collect.ts", "attack/check-fix.test.ts", [
    ['if (seen.space === "user") this.findings.addOf', "if (false) this.findings.addOf"],
  ]),
  ...within("src/check/fix/fix.ts", "attack/check-fix.test.ts", [
    ["!isDirectory(stat) : !isSameInode(stat, seen))", "!isDirectory(stat) : false)"],
  ]),
  ...within("src/update/state.ts", "e2e/update.test.ts", [
    ['if (stat.uid !== 0) return "user";', 'if (stat.uid !== 0 && recorded.length === 0) return "user";'],
  ]),
  ...within("src/check/files/drift.ts", "attack/check-fix.test.ts", [
    ["if (isRegular(stat) && stat.uid !== 0 && stat.uid !== uid) return", "if (false) return"],
  ]),
  ...within("src/check/files/drift.ts", "unit/check-judge.test.ts", [
    ["modeBesideAcl(stat.mode, seen.grants.acl) & 0o7777", "stat.mode & 0o7777"],
  ]),
  ...within("src/jails/adopt-match.ts", "e2e/adopt.test.ts", [
    ["modeBesideAcl(seen.mode, grants.acl)", "seen.mode"],
  ]),
  ...within("src/update/settle.ts", "attack/grants.test.ts", [
    ["modeBesideAcl(mode, jailFileSystem(root).acl(path)) & 0o7777", "mode & 0o7777"],
  ]),
  ...within("src/enter/login/host-checks.ts", "unit/enter-checks.test.ts", [
    ['if (acl === "unknown") {', 'if (acl === "none") {'],
    ["const relaxed = relaxHomeGroupPermissions && !relaxHomeOtherPermissions;", "const relaxed = false;"],
    [
      "const relaxed = relaxHomeGroupPermissions && !relaxHomeOtherPermissions;",
      "const relaxed = relaxHomeGroupPermissions;",
    ],
    ["filter((entry) => !own(entry))", "filter(() => true)"],
    ['id === (tag === "u" ? facts.uid : facts.gid)', 'id === facts.uid || id === facts.gid || tag === "g"'],
  ]),
  ...within("src/check/files/walk.ts", "e2e/check.test.ts", [
    ["const grants = grantsOf(fd, stat.mode);", "const grants = grantsOf(fd, 0o120000);"],
    ["grantsAt(fd, name, stat.mode)", "grantsAt(fd, name, 0o120000)"],
  ]),
  ...within("src/profile/search.ts", "unit/profile.test.ts", [
    ["othersCanWrite(host, directory, stat, true)", "othersCanWrite(host, directory, stat)"],
  ]),
  ...within("src/populate/plan/trust.ts", "unit/profile.test.ts", [
    ['acl === "unknown" || ', ""],
    ["|| writersOf(acl).length > 0", ""],
    ["if (stat.gid !== 0) return true;", ""],
  ]),
  ...within("src/jail/fs/home-fill.ts", "attack/home-move.test.ts", [["!grantsRights(name) && ", ""]]),
  ...within("src/check/account-files.ts", "e2e/check.test.ts", [
    ["(owners.get(path) ?? []).every((", "(owners.get(path) ?? []).some(("],
    ["isChrootShell(user.shell) && ", ""],
    ['isHome(path) && allows(path, "relaxHomeGroupPermissions")', "isHome(path)"],
    ['isHome(path) && allows(path, "relaxHomeOtherPermissions")', "isHome(path)"],
    [" && !around.has(path)", ""],
  ]).map((mutant) => ({ ...mutant, title: "who may write a home" })),
  ...within("src/check/files/permissions.ts", "unit/check-judge.test.ts", [
    ["findings.length > 0 && settings.writableForOthers(path) ? [] : findings", "findings"],
    ["named.filter(({ effective }) => effective !== 0)", "named"],
    ["filter((entry) => !own(entry))", "filter(() => true)"],
    ['if (inherited.length > 0 && space !== "user") {', "if (inherited.length > 0) {"],
    ["if (!item.seen.grants.capability) return [];", "return [];"],
  ]),
  ...within("src/jail/fs/look.ts", "attack/grants.test.ts", [
    ["modeWithoutAcl(mode, aclOf(fd)) & 0o7777", "mode & 0o7777"],
  ]),
  ...within("src/system/mounts.ts", "attack/proc-memory.test.ts", [["MS_RDONLY | MS_NOSUID", "MS_NOSUID"]]),
  ...within("src/check/files/barriers.ts", "attack/proc-memory.test.ts", [
    ['(barrier.type === "proc" && barrier.readOnly)', 'barrier.type === "proc"'],
  ]),
  ...within("src/jail/fs/compare.ts", "unit/check-content.test.ts", [
    ["fds.some((one) => fstat(one).size < size)", "fds.length > 2"],
    ["next = Math.min(next, nextData(fd, at) ?? size);", "next = nextData(fd, at) ?? size;"],
  ]),
  ...within("src/system/acl.ts", "unit/acl.test.ts", [
    ['acl === "unknown" ? mode & (~0o070', 'acl === "unknown" ? mode & (~0o000'],
  ]),
  ...within("src/system/sshd/warnings.ts", "attack/user-manager.test.ts", [
    ['mayStart(`user@${user.uid}.service`) ?? mayStart("user@.service")', 'mayStart("user@.service")'],
    ['!== "/dev/null"', '!== ""'],
  ]),
  ...within("src/system/sshd/warnings.ts", "unit/system.test.ts", [
    ["  if (!xauth) return warnings;\n", ""],
    ['if (isOn(settings, "disableforwarding")) return [];', ""],
    ["const preloads = loads || byPam !== undefined;", "const preloads = loads;"],
  ]),
  ...within("src/users/own-home.ts", "e2e/jailuser.test.ts", [[" && stat.uid === user.uid", ""]]),
  ...within("src/users/unjail.ts", "e2e/home-of-another.test.ts", [
    ["    requireNoNeighbours(root, user, jailHome, { whole });\n", ""],
    ["requireNoNeighbours(root, user, jailHome, { fd, whole: true })", "undefined"],
  ]),
  ...within("src/users/home-along.ts", "e2e/home-of-another.test.ts", [
    ["const place = realHome(path);", "const place = path;"],
    ["if (isLink(stat.found)) return realPath(path);", ""],
    ["const above = remembered(directoryOf(path), realPath);", "const above = directoryOf(path);"],
    ["if (owner === undefined) continue;", "continue;"],
    ['.every((service) => service === "files")', ".length > 0"],
    ["const rest = name === user.name || except", "const rest = except"],
  ]),
  ...within("src/users/home-owners.ts", "unit/home-owners.test.ts", [
    ["      if (listed !== undefined) levels.enter(at, listed);\n", ""],
    ["      this.#push(path, readOn(rest, this.above + path, this.count));\n", ""],
    ["if (this.#open > open)", "if (false)"],
    ["at.length > LONGEST", "false"],
    ["O_RDONLY | OPEN, WITHIN", "O_RDONLY | C.O_DIRECTORY, 0"],
    [" || owners.has(stat.uid)) continue;", ") continue;"],
    ["if (this.#directories > this.most.directories)", "if (false)"],
    ["if (this.#names > this.most.names)", "if (false)"],
    ["if (this.#bytes > this.most.bytes)", "if (false)"],
    ["if (owners > this.most.owners)", "if (false)"],
  ]),
  ...within("src/users/change-account.ts", "e2e/home-of-another.test.ts", [
    ["\n  requireNoneAlong(user, hostPath(from, fromPath), whole);", ""],
  ]),
  ...within("src/system/pam/succeed-if.ts", "unit/pam.test.ts", [
    ["if (one === false)", "if (one === null)"],
    [" || conditions.length === 0) return", ") return"],
  ]),
  ...within("src/system/sshd/warnings.ts", "unit/pam.test.ts", [
    ["Number(/\\bsuccess=(\\d+)\\b/.exec(control)?.[1] ?? 0)", "99"],
  ]),
  ...within("src/users/keys.ts", "attack/user-keys.test.ts", [
    ["  if (seen.nlink > 1)", "  if (seen.nlink > 9)"],
    ["  if (stat.uid === uid) return;", "  if (stat.uid === uid || stat.uid === 0) return;"],
    ["    requireOwn(place, home, path, directory.stat);\n", ""],
  ]),
  ...within("src/jail/fs/host-mounts.ts", "unit/host-mounts.test.ts", [
    ["isIn(system, mounted) ||\n", "\n"],
    ["(isIn(mounted, system) && (", "(mounted.path === system.path && ("],
    ["isIn(system, mounted) ||", "below(system.path, mounted.path) !== undefined ||"],
    ["mounted.uid === 0 || !SHARED.includes(system.name)", "!SHARED.includes(system.name)"],
    ["jail !== undefined && isIn(mounted, jail)", "jail === null"],
  ]),
  ...within("src/jail/fs/host-mounts.ts", "attack/host-mount.test.ts", [
    ["stat.mountId === parent.mount.stat.mountId ? parent.mount : { path, stat }", "parent.mount"],
    ["  if (system === undefined) return;", "  if (system !== null) return;"],
  ]),
  ...within("src/jail/fs/walk.ts", "attack/host-mount.test.ts", [
    ["stat.mountId === parent.stat.mountId ? parent.mount : { path, stat }", "parent.mount"],
  ]),
  ...within("src/jail/fs/directories.ts", "attack/host-mount.test.ts", [
    ["    requireNoHostMount(root, parent, joinPath(parent.path, name));\n", ""],
  ]),
  ...within("src/jail/fs/remove.ts", "attack/host-mount.test.ts", [
    ["    requireNoHostMount(root, parent, joinPath(parent.path, name));\n", ""],
  ]),
  ...within("src/jail/fs/new-file.ts", "attack/host-mount.test.ts", [
    ["  requireNoHostMount(root, parent, joinPath(parent.path, name));\n", ""],
  ]),
  ...within("src/jail/fs/write.ts", "attack/host-mount.test.ts", [
    ["      if (isHosts) throw", "      if (root === null) throw"],
  ]),
  ...within("src/jail/fs/attributes.ts", "attack/host-mount.test.ts", [
    ["        requireNoHostMount(root, parent, joinPath(parent.path, name), stat);\n", ""],
  ]),
  ...within("src/jail/fs/place.ts", "attack/host-mount.test.ts", [
    [
      "    requireNoHostMount(root, parent, joinPath(parent.path, name));\n    const stage",
      "    const stage",
    ],
  ]),
  ...within("src/jail/fs/live-mounts.ts", "attack/live.test.ts", [
    ['isLimited(fd, sockets) ? "mounted" : "open"', '"mounted"'],
    ["    if (directory.path !== path) return `${shown}: is a symbolic link`;\n", ""],
    ['    if (state === "other")\n      throw refuse(', '    if (state === "open")\n      throw refuse('],
    ["    limitMount(mount, at, isSocketDirectory(path));\n    requireMounted", "    requireMounted"],
  ]),
  ...within("src/jail/fs/live-mounts.ts", "attack/sockets.test.ts", [
    ["isLimited(fd, sockets)", "isLimited(fd)"],
    [
      "    limitMount(mount, at, isSocketDirectory(path));\n    withDirectory",
      "    limitMount(mount, at, false);\n    withDirectory",
    ],
  ]),
  ...within("src/jail/fs/live-mounts.ts", "e2e/sockets.test.ts", [
    ['detach: state === "stale"', "detach: false"],
    ['      if (stat.nlink === 0) return "stale";\n', ""],
  ]),
  ...within("src/jail/fs/host-source.ts", "attack/sockets.test.ts", [
    ["C.RESOLVE_NO_XDEV | ", ""],
    ["C.RESOLVE_NO_SYMLINKS | ", ""],
    ["    if (!above) throw", "    if (above === undefined) throw"],
    ["    if (fault !== undefined) throw refuse(path, fault);\n", ""],
  ]),
  ...within("src/jail/fs/socket-directory.ts", "unit/socket-directory.test.ts", [
    ["isSocketDirectory(directory) && ", ""],
    [" && normalPath(path) === path", ""],
    ["  if (uid === 0)\n", "  if (uid === null)\n"],
    ["  if (uid >= firstUser)", "  if (uid > firstUser)"],
    ["mode & 0o002", "mode & 0"],
  ]),
  ...within("src/populate/apply/sockets.ts", "attack/sockets.test.ts", [
    ["stat === undefined || (stat.mode & C.S_IFMT) === C.S_IFSOCK", "stat !== null"],
  ]),
  ...within("src/jail/fs/live-mounts.ts", "e2e/live.test.ts", [
    ["=> at.path === path && !isEmptyDirectory(at.fd)", "=> at.path === path"],
  ]),
  ...within("src/jail/fs/live-mounts.ts", "e2e/live-mishaps.test.ts", [
    ['if (state === "open") {\n    restrictLive(root, path);\n', 'if (state === "open") {\n'],
  ]),
  ...within("src/check/finding-list.ts", "e2e/live-mishaps.test.ts", [
    ["(HIDDEN.includes(rule) && places", "(places"],
  ]),
  ...within("src/populate/apply/live-line.ts", "e2e/live-mishaps.test.ts", [
    ["isOurs(line) || sourceOf(line) === path", "isOurs(line)"],
    ["rw|suid|dev|rbind", "rbind"],
  ]),
  ...within("src/populate/apply/live-line.ts", "e2e/live-boot.test.ts", [
    ["sourceOf(line) !== path || ", ""],
    [' || !TYPES.includes(fstabFields(line)[2] ?? "")', ""],
    ["if (isByHand(options))", "if (false)"],
    [' || (sockets && option === "exec")', ""],
    ["|remount|users?|owner", "|owner"],
    ["|[xX]-mount\\.(?!mkdir|nocanonicalize).*", ""],
    ["CHOICES.test(option) && ", ""],
    ["CHOICES.test(option) && !WRONG.test(option)", "false"],
  ]),
  ...within("src/populate/apply/live-lines.ts", "e2e/live-boot.test.ts", [
    ["    return [lineOf(jail, path, line)];", "    return [line];"],
    ["    if (there.has(path)) return [];\n", ""],
    ["  for (const path of directories) requireFree(fstab, jail, path);\n", ""],
    [
      "    return found.map(",
      "    if (found.some((line) => bootFault(line, directory) === undefined)) return undefined;\n    return found.map(",
    ],
    ["path !== undefined && isOfDirectory(line, path)", "path !== undefined && isOurs(line)"],
  ]),
  ...within("src/populate/apply/proc.ts", "e2e/fstab-writers.test.ts", [
    ['  if (changed !== undefined) requireReplaceable("/etc/fstab");\n', ""],
  ]),
  ...within("src/populate/apply/live.ts", "e2e/fstab-writers.test.ts", [
    ["  requireLiveLines(root.path, directories);\n", ""],
    ["  requireNoLiveLines(jail, directories);\n", ""],
  ]),
  ...within("src/update/remove-extras.ts", "e2e/fstab-writers.test.ts", [
    ["  requireNoProc(root.path);\n", ""],
    ["    requireNoProc(jail);\n", ""],
    ["    requireNoLiveLines(jail);\n", ""],
  ]),
  ...within("src/jails/live.ts", "e2e/fstab-writers.test.ts", [["    requireLiveLines(jail, live);\n", ""]]),
  ...within("src/jail/fs/writable.ts", "e2e/fstab-writers.test.ts", [
    ["if (!mountTypes(mountsText()).has(file)) return;", "return;"],
  ]),
  ...within("src/system/mounts.ts", "e2e/live-boot.test.ts", [
    [' && !options.includes("x-systemd.automount")', ""],
  ]),
  ...within("src/system/mounts.ts", "e2e/live-mishaps.test.ts", [
    ["normalPath(unescaped(where))", "unescaped(where)"],
  ]),
  ...within("src/populate/apply/live-line.ts", "e2e/live.test.ts", [
    ["=> ALLOWED.test(path) && ", "=> "],
    [" && !/\\/\\.\\.?$/.test(path)", ""],
  ]),
  ...within("src/populate/apply/live.ts", "e2e/live.test.ts", [
    ["  requireNoJailIn(named, jail, others);\n", ""],
  ]),
  ...within("src/jail/record/live.ts", "e2e/live.test.ts", [
    ["[jail, ...others, ...knownJails().map((known) => known.jail.path)]", "[jail, ...others]"],
  ]),
  ...within("src/populate/populate.ts", "e2e/live.test.ts", [
    [
      "liveProblem(root, request.live, recordedLive(root, manifest), manifest?.content)",
      "liveProblem(root, request.live, [], manifest?.content)",
    ],
  ]),
  ...within("src/populate/live-copy.ts", "e2e/live-copy.test.ts", [
    ['if (liveState(root, USR) !== "missing") return undefined;', ""],
    ["if (content?.requests.some(asksForFiles) || (content?.live ?? []).length > 0) return undefined;", ""],
  ]),
  ...within("src/populate/live-copy.ts", "e2e/live-copy.test.ts", [
    ["lookUp(root, path) !== undefined) ?? true)", "lookUp(root, path) !== undefined) ?? false)"],
    ["lookUp(root, path) !== undefined) ?? true)", 'root.path === "") ?? true)'],
  ]),
  ...within("src/jail/record/live.ts", "e2e/live-copy.test.ts", [
    [" && chmod go= ${away}", ""],
    ["if (directoryFindings(root).length > 0) return undefined;", ""],
  ]),
  ...within("src/users/safe-place.ts", "e2e/unsafe-home.test.ts", [
    ["if (why !== undefined)", "if (why === null)"],
  ]),
  ...within("src/users/own-home.ts", "e2e/unsafe-home.test.ts", [["its === uid ?", "its === -1 ?"]]),
  ...within("src/transfer/carry-out.ts", "e2e/unsafe-home.test.ts", [
    ["a.user.home < b.user.home ? -1 : 1", "0"],
  ]),
  ...within("src/jail/fs/safety.ts", "e2e/unsafe-home.test.ts", [
    ['first.inHome ? ": a jail must be elsewhere" : ""', '""'],
    ["const stays = first.inHome && (stat === undefined || first.path === path);", "const stays = false;"],
  ]),
  ...within("src/jail/fs/safety.ts", "e2e/jail-in-home.test.ts", [
    ["findings.length === 0 ? findings : sparingHomes(findings, place)", "findings"],
    ["jail === undefined ? findings : sparingHomes(findings, jail)", "findings"],
  ]),
  ...within("src/jail/fs/elsewhere.ts", "e2e/jail-in-home.test.ts", [
    ["stat.uid !== 0 || !onlyRootExchanges(directoryOf(path))", "stat.uid !== 0"],
    ["there === undefined || !onSameMount(there, stat)", "there === undefined"],
    ["      if (!onlyRootExchanges(to)) break;\n", ""],
    ["if (statIfPresent(AT_FDCWD, to) === undefined) return to;", "return to;"],
    [
      "    if (why === undefined || home !== path) return found;",
      "    if (rule !== found.rule || home !== path) return found;",
    ],
  ]),
  ...within("src/update/plan/plan.ts", "e2e/update.test.ts", [
    ["const accounts = prune ? readJail", "const accounts = prune === undefined ? readJail"],
  ]),
  ...within("src/system/home-owner.ts", "unit/jail-safety.test.ts", [
    ["    return { why: `it may be", "    if (path !== '') return undefined;\n    return { why: `it may be"],
    ["answeredUser }", "passwdByUid as answeredUser }"],
  ]),
  ...within("src/system/home-owner.ts", "e2e/jail-in-home.test.ts", [
    ["return real === undefined ? local : [real, ...local];", "return real === undefined ? [] : [real];"],
    ["path === plain || path.startsWith(`${plain}/`)", "path.startsWith(plain)"],
    ["path === plain || path.startsWith(`${plain}/`)", "path === home"],
  ]),
  ...within("src/check/directories.ts", "e2e/jail-in-home.test.ts", [
    ['rule === "owner" && !inHome', 'rule === "owner"'],
  ]),
  ...within("src/jails/follow-move.ts", "e2e/jail-in-home.test.ts", [
    ["if (uid === 0 || onlyRootExchanges(old)) return;", "return;"],
  ]),
  ...within("src/jails/delete-plan.ts", "e2e/jail-in-home.test.ts", [
    [", directoryOf(jail), { path: jail, stat: seen })", ", directoryOf(jail))"],
  ]),
  ...within("src/log-socket/monitor/bound-socket.ts", "e2e/jail-in-home.test.ts", [
    ["return isJails ? {", "return !isJails ? {"],
  ]),
  ...within("src/enter/shell.ts", "e2e/jail-in-home.test.ts", [
    ["return isLoose(inside) ? ROOTS_ALONE :", "return isLoose('') ? ROOTS_ALONE :"],
  ]),
  ...within("src/enter/shell.ts", "unit/jail-safety.test.ts", [
    ["      if (i === 0) return `jk_check --fix ${shellWord(path)}`;\n", ""],
  ]),
  ...within("src/check/accounts.ts", "unit/check-accounts.test.ts", [
    ["isTheirs && !dirsEqual(home, usualHome(name))", "false"],
    ["dirsEqual(one.home, home)) ||\n        this.#facts.mayBeHome(path);", "dirsEqual(one.home, home));"],
    ["isAround(one.home, at)) ||\n        this.#facts.mayBeHome(path);", "isAround(one.home, at));"],
    ["isAround(one.home, at)", "true"],
  ]),
  ...within("src/populate/apply/library-cache.ts", "e2e/live.test.ts", [
    ["host !== undefined && host.mtime > found.stat.mtime", "host === undefined"],
  ]),
  ...within("src/jails/adopt.ts", "e2e/live.test.ts", [
    ["      content[key] = now.length > 0 ? now : undefined;\n", ""],
  ]),
  ...within("src/jails/adopt.ts", "e2e/live-left.test.ts", [
    ["named.filter((path) => hasMountPlace(root, path))", "named"],
  ]),
  ...within("ffi/mounts.ts", "attack/live.test.ts", [
    ["MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID", "MOUNT_ATTR_NOSUID"],
    ["MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV", "MOUNT_ATTR_NODEV"],
  ]),
  ...within("src/check/collect.ts", "attack/live.test.ts", [
    ['if (isLive && liveState(root, path) === "mounted") return;', "if (isLive) return;"],
  ]),
  ...within("src/populate/apply/library-cache.ts", "attack/host-mount.test.ts", [
    ["    requireNoHostMount(root, etc, CACHE, lookUp(root, CACHE)?.stat);\n", ""],
    ["CACHE, lookUp(root, CACHE)?.stat);", "CACHE);"],
  ]),
  ...within("src/log-socket/monitor/bound-socket.ts", "e2e/socketd-places.test.ts", [
    ["  if (system !== undefined) {", "  if (system === null) {"],
  ]),
  ...within("src/users/policy.ts", "e2e/user-access.test.ts", [
    [
      "  if (same) return { ...plan, present: true };",
      "  if (there.length > 0) return { ...plan, present: true };",
    ],
    ["    if (unsafe === undefined) return", "    if (unsafe !== null) return"],
  ]),
  ...within("src/jail/record/record-file.ts", "unit/jail-manifest.test.ts", [
    ["if (uid !== 0 && uid !== libc.geteuid())", "if (uid === 1)"],
    ["(mode & 0o022) === 0 ? undefined", "(mode & 0o002) === 0 ? undefined"],
    ["(mode & 0o022) === 0 ? undefined", "(mode & 0o020) === 0 ? undefined"],
    ["jail !== undefined && distrust(stat) === undefined", "jail !== undefined"],
    ["C.RESOLVE_BENEATH | C.RESOLVE_NO_SYMLINKS | C.RESOLVE_NO_MAGICLINKS", "C.RESOLVE_BENEATH"],
  ]),
  ...within("src/jail/record/registry.ts", "e2e/missing-jail.test.ts", [
    ["if (sample.length === 0) return hasAccount(content, root);", ""],
    ["return names.some((name) => lines", "return !names.some((name) => lines"],
  ]),
  ...within("src/jail/record/registry.ts", "unit/jail-manifest.test.ts", [
    ["if (mine !== undefined) throw mine.error;", ""],
    ["new Set([...others, ...damaged].map", "new Set([...others].map"],
  ]),
  ...within("src/update/plan/scan.ts", "differential/imscp.test.ts", [
    [" ?? outsidePathOf(this.root, mount)", ""],
  ]),
  ...within("src/check/files/walk.ts", "differential/virtualmin.test.ts", [
    ["if (outside !== undefined) return", "if (outside === null) return"],
  ]),
  ...within("src/populate/passed-over.ts", "differential/statuses.test.ts", [
    ["strict || !isPassedOver(problem)", "!isPassedOver(problem)"],
    ["strict || !isPassedOver(problem)", "strict || !true"],
    ['  "withheld",', '  "withheld",\n  "refused-source",'],
    ['  "withheld",', '  "withheld",\n  "no-room",\n  "read-only",'],
  ]),
  ...within("src/jail/fs/safety.ts", "e2e/account-files.test.ts", [
    ["if (findings.length + inside.length === 0) inside.push(...accountFileFindings(root));", ""],
  ]),
  ...within("src/jail/fs/account-file-safety.ts", "e2e/account-files.test.ts", [
    ['above === "/etc" || isTrusted(root, above)', "above !== undefined"],
    ['const GROUP = "/etc/group";', "const GROUP = PASSWD;"],
    ['toleratesGroup(stat) ? aclAt(AT_FDCWD, path) : "none"', '"none"'],
  ]),
  ...within("src/system/name-services.ts", "unit/name-services.test.ts", [
    ["if (takesOthers) this.#refused.add(what);", "if (takesOthers) this.#isSilent = true;"],
    ["else this.#isSilent = true;", "else this.#refused.add(what);"],
    ["!isUnknown && this.#now() - start < AT_ONCE_MS", "!isUnknown"],
    ["takesOthers ? replyOf(ask, key) : undefined", "undefined"],
  ]),
  ...within("src/check/refused-lines.ts", REFUSED, [
    ["lines.add(user);", ""],
    ["lines.add(group);", ""],
    ["if (user.uid === 0) findings", "if (false) findings"],
  ]),
  ...within("src/jail/accounts/service-users.ts", REFUSED, [
    ["if (passOver === undefined || !isRefusedName(error)) throw error;", "throw error;"],
    ["isRefusedName(error) || (error", "(error"],
    ["unknown: first && ", "unknown: undefined && "],
  ]),
  ...within("src/transfer/lost.ts", REFUSED, [
    ["unlessRefused(() => host.accounts.userByName(name)).found?.uid", "host.accounts.userByName(name)?.uid"],
  ]),
  ...within("src/declaration/machine-refused.ts", REFUSED, [
    ["if (own !== undefined)", "if (false)"],
    ["if (why !== undefined)", "if (false)"],
  ]),
  ...within("src/lint/lint.ts", REFUSED, [
    ['kind === "member" ? world.groupRefusal(group) : undefined', "undefined"],
  ]),
  ...within("src/explain/account.ts", REFUSED, [["if (isRefusedName(error)) return", "if (false) return"]]),
];

import type { Mutant } from "./mutant.ts";
