import type { ByteString } from "../../ffi/bytes.ts";

/** What the section of jk_lsh.ini that applies to the user allows. */
export interface LshPolicy {
  /** The key `executables`; undefined where the section has none. */
  executables: readonly ByteString[] | undefined;
  /** The key `paths`: where a command without a path is looked for, in order. */
  paths: readonly ByteString[];
  /** The key `allow_word_expansion`. */
  allowWordExpansion: boolean;
  /** The key `allow_spawn_options`: what makes a program start another one is not refused. */
  allowSpawnOptions?: boolean;
}

/** Exit statuses of a refusal, those of jailkit 2.23 where it had one. */
export const EXIT_NOT_ALLOWED = 4;
export const EXIT_NO_EXECUTABLES = 5;
export const EXIT_NOT_FOUND = 127;
