use tokio::io::{DuplexStream, duplex};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

const PATIENCE: Duration = Duration::from_secs(5);

/// A connection whose server is the test.
struct Wired {
    connection: Arc<Connection>,
    server: DuplexStream,
    driver: JoinHandle<bool>,
}

impl Wired {
    fn new() -> Self {
        Self::with_room_for(1 << 20)
    }

    /// So many bytes fit between the two ends.
    fn with_room_for(bytes: usize) -> Self {
        let (client, server) = duplex(bytes);
        let settings = Settings { largest_item: 1 << 20, may_evict: true };
        #[allow(clippy::disallowed_methods, reason = "no rule depends on this time")]
        let clock = ServerClock::new(0, Instant::now());
        let (connection, queue) = Connection::new(settings, clock);
        let driver = tokio::spawn(drive(client, queue, settings, PATIENCE));
        Self { connection: Arc::new(connection), server, driver }
    }

    /// Begins to get an item; the requests of several calls are sent in this order.
    async fn get(&self, key: &'static str) -> JoinHandle<Result<Outcome, Lost>> {
        self.call(key, Command::Get).await
    }

    async fn call(&self, key: &'static str, command: Command<'static>) -> JoinHandle<Result<Outcome, Lost>> {
        let connection = Arc::clone(&self.connection);
        let call =
            tokio::spawn(
                async move { connection.call(key, &command, &mut Deadline::after(2 * PATIENCE)).await },
            );
        tokio::task::yield_now().await;
        call
    }

    /// What was sent, up to and with `end`.
    async fn reads(&mut self, end: &str) -> String {
        let mut text = Vec::new();
        while !text.ends_with(end.as_bytes()) {
            text.push(self.server.read_u8().await.expect("more is sent"));
        }
        String::from_utf8(text).unwrap()
    }

    async fn answers(&mut self, text: &str) {
        self.server.write_all(text.as_bytes()).await.unwrap();
    }

    /// The end of the connection, seen by a caller.
    async fn expect_over(self) {
        timeout(2 * PATIENCE, self.driver).await.expect("the connection ends").unwrap();
        assert!(self.connection.is_closed());
        let late = self.connection.call("late", &Command::Delete, &mut Deadline::after(PATIENCE)).await;
        assert_eq!(late.unwrap_err().effect, Effect::None, "nothing is sent after the end");
    }
}

async fn found(call: JoinHandle<Result<Outcome, Lost>>) -> Vec<u8> {
    match call.await.unwrap() {
        Ok(Outcome::Found { value, .. }) => value,
        other => panic!("{other:?}"),
    }
}

async fn lost(call: JoinHandle<Result<Outcome, Lost>>) -> Lost {
    call.await.unwrap().unwrap_err()
}

#[tokio::test]
async fn requests_follow_each_other_without_waiting_and_each_gets_its_answer() {
    let mut wired = Wired::new();
    let calls = [wired.get("a").await, wired.get("b").await, wired.get("c").await];
    assert_eq!(wired.reads("O3\r\n").await, "mg a v c t k O1\r\nmg b v c t k O2\r\nmg c v c t k O3\r\n");
    wired.answers("VA 1 c1 t9 ka O1\r\nA\r\nVA 1 c1 t9 kb O2\r\nB\r\nVA 1 c1 t9 kc O3\r\nC\r\n").await;
    for (call, value) in calls.into_iter().zip([b"A", b"B", b"C"]) {
        assert_eq!(found(call).await, value);
    }
}

#[tokio::test]
async fn an_answer_may_come_byte_by_byte() {
    let mut wired = Wired::new();
    let call = wired.get("a").await;
    wired.reads("O1\r\n").await;
    for byte in "VA 4 c1 t9 ka O1\r\nA\r\nA\r\n".chars() {
        wired.answers(&byte.to_string()).await;
        tokio::task::yield_now().await;
    }
    assert_eq!(found(call).await, b"A\r\nA");
}

#[tokio::test]
async fn the_answer_to_a_dropped_call_is_nobodys() {
    let mut wired = Wired::new();
    let dropped = wired.get("a").await;
    wired.reads("O1\r\n").await;
    dropped.abort();
    assert!(dropped.await.unwrap_err().is_cancelled());
    let call = wired.get("b").await;
    wired.reads("O2\r\n").await;
    wired.answers("VA 1 c1 t9 ka O1\r\nA\r\nVA 1 c1 t9 kb O2\r\nB\r\n").await;
    assert_eq!(found(call).await, b"B");
}

#[tokio::test]
async fn a_call_that_was_dropped_before_it_was_sent_is_not_sent() {
    let mut wired = Wired::with_room_for(4);
    let first = wired.get("a").await;
    wired.reads("mg").await;
    // Polled once, so that it is queued; the driver's turn comes later.
    let mut deadline = Deadline::after(PATIENCE);
    {
        let mut call = Box::pin(wired.connection.call("b", &Command::Delete, &mut deadline));
        assert!(std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx).is_pending())).await);
    }
    let last = wired.get("c").await;
    assert_eq!(wired.reads("O3\r\n").await, " a v c t k O1\r\nmg c v c t k O3\r\n");
    wired.answers("EN ka O1\r\nEN kc O3\r\n").await;
    assert_eq!(first.await.unwrap().unwrap(), Outcome::Missing);
    assert_eq!(last.await.unwrap().unwrap(), Outcome::Missing);
}

/// Whatever a server gives that is not the answer, nobody gets a value, and the connection is over.
#[tokio::test]
async fn a_server_out_of_step_answers_nobody() {
    let lies = [
        // The answer to the second request, the first one's having been lost.
        "VA 1 c1 t9 kb O2\r\nB\r\n",
        // Somebody else's session under our number.
        "VA 1 c1 t9 kx O1\r\nX\r\n",
        // Our session, for a request of long ago.
        "VA 1 c1 t9 ka O99\r\nA\r\n",
        // Neither.
        "VA 1 c1\r\nA\r\n",
        // A value that is longer than it says, and what follows looks like the next answer.
        "VA 1 c1 t9 ka O1\r\nAAA\r\nVA 1 c1 t9 kb O2\r\nB\r\n",
        "HD ka O1\r\n",
        "ERROR\r\n",
        "SERVER_ERROR out of memory\r\n",
        "\0\0\0\0\r\n",
        "VALUE a 0 1\r\nA\r\nEND\r\n",
    ];
    for lie in lies {
        let mut wired = Wired::new();
        let (one, two) = (wired.get("a").await, wired.get("b").await);
        wired.reads("O2\r\n").await;
        wired.answers(lie).await;
        for call in [one, two] {
            let lost = lost(call).await;
            assert_eq!(lost.effect, Effect::Maybe, "{lie:?}");
            assert!(lost.to_string().starts_with("the server is out of step: "), "{lie:?}: {lost}");
        }
        wired.expect_over().await;
    }
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_ends_the_connection() {
    let mut wired = Wired::new();
    wired.answers("HD ka O1\r\n").await;
    wired.expect_over().await;
}

#[tokio::test]
async fn an_answer_before_its_request_ends_the_connection() {
    let mut wired = Wired::with_room_for(64);
    let half_sent = wired.call("a", Command::Add { value: &[b'x'; 200], expires: 0 }).await;
    let unsent = wired.call("b", Command::Delete).await;
    wired.answers("HD ka O1\r\nHD kb O2\r\n").await;
    assert_eq!(half_sent.await.unwrap().unwrap(), Outcome::Done);
    assert_eq!(lost(unsent).await.effect, Effect::None);
    wired.expect_over().await;
}

#[tokio::test]
async fn an_answer_cut_off_is_no_answer() {
    let mut wired = Wired::new();
    let (one, two) = (wired.get("a").await, wired.get("b").await);
    wired.reads("O2\r\n").await;
    wired.answers("VA 1 c1 t9 ka O1\r\nA\r\nVA 4 c1 t9 kb O2\r\nBB").await;
    wired.server.shutdown().await.unwrap();
    assert_eq!(found(one).await, b"A", "what was complete is an answer");
    assert_eq!(lost(two).await.effect, Effect::Maybe);
    wired.expect_over().await;
}

#[tokio::test]
async fn a_request_of_which_nothing_was_sent_is_told_from_others() {
    let mut wired = Wired::with_room_for(16);
    let half_sent = wired.call("a", Command::Add { value: &[b'x'; 100], expires: 0 }).await;
    let unsent = wired.call("b", Command::Delete).await;
    wired.reads("ms a").await;
    drop(wired.server);
    assert_eq!(lost(half_sent).await.effect, Effect::Maybe, "the server may have seen it");
    assert_eq!(lost(unsent).await.effect, Effect::None, "it stood behind the other");
    wired.driver.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_server_that_stays_silent_is_given_up() {
    let mut wired = Wired::new();
    let (one, two) = (wired.get("a").await, wired.get("b").await);
    wired.reads("O2\r\n").await;
    for call in [one, two] {
        assert_eq!(lost(call).await.to_string(), "the server does not answer");
    }
    wired.expect_over().await;
}

/// It refuses a value without reading all of it, and then nothing more: the rest can never be sent.
#[tokio::test(start_paused = true)]
async fn a_server_that_answered_early_and_reads_no_further_is_given_up() {
    let mut wired = Wired::with_room_for(64);
    let value = vec![b'x'; 2 * ENOUGH_TO_SEND].leak();
    let refused = wired.call("a", Command::Add { value, expires: 0 }).await;
    wired.reads("ms a").await;
    wired.answers("SERVER_ERROR object too large for cache\r\n").await;
    assert_eq!(refused.await.unwrap().unwrap(), Outcome::TooLarge);
    let next = wired.get("b").await;
    assert_eq!(lost(next).await.effect, Effect::None);
    wired.expect_over().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_asked_nothing_may_be_silent() {
    let mut wired = Wired::new();
    sleep(LONGEST_IDLENESS - PATIENCE / 2).await;
    let call = wired.get("a").await;
    wired.reads("O1\r\n").await;
    sleep(PATIENCE / 2).await;
    wired.answers("EN ka O1\r\n").await;
    assert_eq!(call.await.unwrap().unwrap(), Outcome::Missing);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_asked_nothing_is_asked_now_and_then_whether_it_is_there() {
    let mut wired = Wired::new();
    for _ in 0..3 {
        assert!(timeout(Duration::from_secs(14), wired.server.read_u8()).await.is_err());
        let asked = timeout(Duration::from_secs(2), wired.reads("\r\n")).await;
        assert_eq!(asked.expect("it is asked after 15 seconds"), "mn\r\n");
        wired.answers("MN\r\n").await;
    }
    let call = wired.get("a").await;
    wired.reads("O1\r\n").await;
    wired.answers("VA 1 c1 t9 ka O1\r\nA\r\n").await;
    assert_eq!(found(call).await, b"A");
}

#[tokio::test(start_paused = true)]
async fn a_call_behind_that_question_gets_its_own_answer() {
    let mut wired = Wired::new();
    wired.reads("mn\r\n").await;
    let call = wired.get("a").await;
    wired.reads("O1\r\n").await;
    wired.answers("MN\r\nVA 1 c1 t9 ka O1\r\nA\r\n").await;
    assert_eq!(found(call).await, b"A");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_went_away_without_a_word_is_noticed_before_anybody_calls() {
    let wired = Wired::new();
    sleep(LONGEST_IDLENESS + PATIENCE + Duration::from_millis(1)).await;
    assert!(wired.connection.is_closed());
    wired.expect_over().await;
}

#[tokio::test]
async fn a_connection_does_not_keep_the_memory_of_large_records() {
    let mut wire = Wire { largest: 1 << 20, ..Wire::default() };
    let (reply, _answer) = oneshot::channel();
    let expected = Expected { kind: Kind::Get, key: "a".into(), number: 1 };
    wire.put(Call { bytes: vec![b'x'; 1 << 20], expected, reply });
    wire.sent(1 << 20);
    assert!(wire.out.capacity() <= MOST_KEPT, "{}", wire.out.capacity());
    wire.input = [b"VA 1000000 c1 t9 ka O1\r\n", &[b'x'; 1_000_000][..], b"\r\n"].concat();
    wire.deliver().unwrap();
    assert!(wire.input.capacity() <= MOST_KEPT, "{}", wire.input.capacity());
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_with_its_deadline_and_its_answer_is_nobodys() {
    let mut wired = Wired::new();
    let mut deadline = Deadline::after(PATIENCE / 2);
    let late = wired.connection.call("a", &Command::Delete, &mut deadline).await.unwrap_err();
    assert_eq!(late.effect, Effect::Maybe, "it may still be carried out");
    let call = wired.get("b").await;
    wired.reads("O2\r\n").await;
    wired.answers("HD ka O1\r\nVA 1 c1 t9 kb O2\r\nB\r\n").await;
    assert_eq!(found(call).await, b"B");
}

#[tokio::test]
async fn a_server_that_cannot_store_one_value_stores_the_next() {
    let mut wired = Wired::new();
    let add = Command::Add { value: b"x", expires: 0 };
    let calls = [wired.call("a", add).await, wired.call("b", add).await, wired.call("c", add).await];
    wired.reads("O3\r\nx\r\n").await;
    wired
        .answers("SERVER_ERROR out of memory storing object\r\nHD kb O2\r\nSERVER_ERROR object too large for cache\r\n")
        .await;
    for (call, outcome) in calls.into_iter().zip([Outcome::NoMemory, Outcome::Done, Outcome::TooLarge]) {
        assert_eq!(call.await.unwrap().unwrap(), outcome);
    }
}
