/** Whether the relay is at work is asked where it has work, and at no other time. Times are milliseconds. */
export interface Heartbeat {
  /** Another relay, or other sockets. */
  restart(): void;
  /** Something came to a socket. */
  work(now: number): void;
  /** The relay has a connection. */
  connected(now: number): void;
  /** The relay answered a question, and told how many connections are open. */
  answered(question: number, connections: number, now: number): void;
  /** Asks where that is due. */
  ask(now: number): void;
  /** Whether an answer is overdue. */
  isOverdue(now: number): boolean;
  /** When `ask` or `isOverdue` is to be called again, or Infinity. */
  next(): number;
  /** There is no relay. */
  stop(): void;
}

/** What a heartbeat is made of. */
export interface HeartbeatActions {
  /** From here on `work` is to be called when something comes to a socket, or is there already. */
  watch(): void;
  unwatch(): void;
  ask(question: number): void;
}

const NEVER = Number.POSITIVE_INFINITY;
/** From the first message on: under load there is a question for so much time, and no more. */
export const ASK_AFTER = 1000;
/** How long an answer may take. */
export const ANSWER_WITHIN = 5000;
/** What comes through a connection is seen by the relay alone, so where there is one, it is asked now and then. */
export const ASK_WITH_CONNECTIONS = 3000;

/**
 * Makes the heartbeat of a relay. While nothing comes, nothing is asked, and nobody wakes up; with the first message
 * that comes to a socket a question falls due, and with its answer the sockets are watched again.
 */
export function createHeartbeat(actions: HeartbeatActions): Heartbeat {
  let askAt = NEVER;
  let answerBy = NEVER;
  let question = 0;

  function listen(): void {
    answerBy = NEVER;
    actions.unwatch();
    actions.watch();
  }

  function connected(now: number): void {
    askAt = Math.min(askAt, now + ASK_WITH_CONNECTIONS);
  }

  return {
    restart() {
      if (answerBy === NEVER) listen();
    },
    work(now) {
      actions.unwatch();
      askAt = Math.min(askAt, now + ASK_AFTER);
    },
    connected,
    answered(number, connections, now) {
      if (answerBy === NEVER || number !== question) return;
      listen();
      if (connections > 0) connected(now);
    },
    ask(now) {
      if (askAt > now || answerBy !== NEVER) return;
      askAt = NEVER;
      answerBy = now + ANSWER_WITHIN;
      question++;
      actions.unwatch();
      actions.ask(question);
    },
    isOverdue: (now) => answerBy <= now,
    next: () => (answerBy === NEVER ? askAt : answerBy),
    stop() {
      askAt = NEVER;
      answerBy = NEVER;
      actions.unwatch();
    },
  };
}

/** How often a relay ended soon after its start, and when the last one was started. */
export interface Restarts {
  startedAt: number;
  times: number;
}

const CALM = 60_000;
const FIRST_PAUSE = 1000;
const LONGEST_PAUSE = 8000;

/**
 * Counts the end of a relay, and returns when the next one is to be started: at once, or later where it is one after
 * another that ends. The pause stays short, for until then nothing is logged; what is sent waits in the sockets.
 */
export function noteEnd(restarts: Restarts, now: number): number {
  restarts.times = now - restarts.startedAt > CALM ? 1 : restarts.times + 1;
  if (restarts.times === 1) return now;
  return now + Math.min(FIRST_PAUSE * 2 ** (restarts.times - 2), LONGEST_PAUSE);
}
