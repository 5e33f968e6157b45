//! The function that answers requests in tests.

use std::cell::RefCell;

use super::message::Request;
use super::message::Response;

type Answer = Box<dyn Fn(&Request) -> Response>;

thread_local! {
    static ANSWER: RefCell<Option<Answer>> = const { RefCell::new(None) };
}

pub(crate) fn set(answer: Option<Answer>) {
    ANSWER.set(answer);
}

pub(super) fn exchange(request: Request) -> Result<Response, String> {
    let answer = ANSWER.with_borrow(|answer| answer.as_ref().map(|answer| answer(&request)));
    let answer = answer.ok_or("tests have no network: set the response with `testing::answer`")?;
    Ok(Response { method: request.method, url: request.url, ..answer })
}
