import type { ByteString } from "../../ffi/bytes.ts";
import { readKeys } from "./keys.ts";
import { chrootshKeys, lshKeys, uchrootKeys } from "./login-tables.ts";
import { findEntry, type IniSection, type Problem } from "./model.ts";
import type { ExecuteRule } from "./values.ts";

/** A section of jk_chrootsh.ini; each name is that of its key. */
export interface ChrootshSection {
  /** Names of variables that are handed on whatever they hold. */
  env: ByteString[];
  /** Nothing else is handed on. */
  envOnly: boolean;
  relaxHomeOwner: boolean;
  relaxHomeGroup: boolean;
  relaxHomeGroupPermissions: boolean;
  relaxHomeOtherPermissions: boolean;
  injailShell: ByteString | undefined;
  skipInjailPasswdCheck: boolean;
  injailLoginShell: boolean;
  noNewPrivs: boolean;
  /** With an error among them nobody may be let in. */
  problems: Problem[];
}

/** A section of jk_lsh.ini. */
export interface LshSection {
  /** Undefined where the key is missing or empty. */
  executables: ByteString[] | undefined;
  paths: ByteString[];
  allowWordExpansion: boolean;
  allowSpawnOptions: boolean;
  /** The directories besides those of the system. */
  execute: ExecuteRule;
  /** Undefined: leave it alone (no such key, or -1). */
  umask: number | undefined;
  environment: [name: ByteString, value: ByteString][];
  env: ByteString[];
  noNewPrivs: boolean;
  /** With an error among them nothing may be run. */
  problems: Problem[];
}

/** A section of jk_uchroot.ini. */
export interface UchrootSection {
  allowedJails: ByteString[];
  skipInjailPasswdCheck: boolean;
  env: ByteString[];
  /** Without it no program in the jail gains a privilege (no_new_privs). */
  allowSetuid: boolean;
  /** With an error among them nobody may be let in. */
  problems: Problem[];
}

/** Reads a section of jk_chrootsh.ini; without one, the defaults. */
export function readChrootshSection(section: IniSection | undefined): ChrootshSection {
  const { values, problems } = readKeys(section, chrootshKeys);
  return {
    env: values.env,
    envOnly: values.env_only,
    relaxHomeOwner: values.relax_home_owner,
    relaxHomeGroup: values.relax_home_group,
    relaxHomeGroupPermissions: values.relax_home_group_permissions,
    relaxHomeOtherPermissions: values.relax_home_other_permissions,
    injailShell: values.injail_shell,
    skipInjailPasswdCheck: values.skip_injail_passwd_check,
    injailLoginShell: values.injail_login_shell,
    noNewPrivs: values.no_new_privs,
    problems,
  };
}

/** Reads a section of jk_lsh.ini. */
export function readLshSection(section: IniSection): LshSection {
  const { values, problems } = readKeys(section, lshKeys);
  const hasExecutables = (findEntry(section, "executables")?.value ?? "") !== "";
  return {
    executables: hasExecutables ? values.executables : undefined,
    paths: values.paths,
    allowWordExpansion: values.allow_word_expansion,
    allowSpawnOptions: values.allow_spawn_options,
    execute: values.execute,
    umask: values.umask,
    environment: values.environment,
    env: values.env,
    noNewPrivs: values.no_new_privs,
    problems,
  };
}

/** Reads a section of jk_uchroot.ini. */
export function readUchrootSection(section: IniSection): UchrootSection {
  const { values, problems } = readKeys(section, uchrootKeys);
  return {
    allowedJails: values.allowed_jails,
    skipInjailPasswdCheck: values.skip_injail_passwd_check,
    env: values.env,
    allowSetuid: values.allow_setuid,
    problems,
  };
}
