//! Intents: typed actions, carried out by whoever contributed a resolver.
//!
//! Invariants
//! * the best resolver that accepts an input carries it out, once;
//! * what is done at once is done when [`App::send`](crate::App::send) returns; the rest is a future the host runs.

use std::any::Any;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use crate::app::App;
use crate::capability::Capability;

/// A typed action.
pub trait Intent: Clone + 'static {
    /// Reverse-domain name.
    const ID: &'static str;
    /// What comes of it.
    type Output: 'static;
}

/// Why an intent was not carried out. Message and hint are for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IntentError {
    /// Nothing accepts it: the plugin that did may be disabled.
    #[error("nothing can carry out \"{intent}\" now")]
    NoResolver {
        /// The intent's name.
        intent: &'static str,
    },
    /// The resolver could not.
    #[error("{message}")]
    Failed {
        /// What happened.
        message: String,
        /// What to do.
        hint: String,
    },
}

/// What takes an outcome back.
pub struct Undo {
    /// What is taken back, in words.
    pub label: String,
    /// Takes it back.
    pub run: Box<dyn FnOnce(&App)>,
}

/// What came of an intent.
pub struct Outcome<O> {
    /// Its output.
    pub output: O,
    /// What takes it back, if it can be.
    pub undo: Option<Undo>,
}

impl<O> Outcome<O> {
    /// An outcome that cannot be taken back.
    pub fn of(output: O) -> Self {
        Outcome { output, undo: None }
    }
}

/// An answer, now or later.
pub enum Resolution<O> {
    /// Done.
    Now(Result<Outcome<O>, IntentError>),
    /// Under way.
    Later(Pin<Box<dyn Future<Output = Result<Outcome<O>, IntentError>>>>),
}

impl<O> Resolution<O> {
    /// Done, with this output.
    pub fn done(output: O) -> Self {
        Resolution::Now(Ok(Outcome::of(output)))
    }

    /// Under way.
    pub fn later(future: impl Future<Output = Result<Outcome<O>, IntentError>> + 'static) -> Self {
        Resolution::Later(Box::pin(future))
    }
}

type Resolve = dyn Fn(&App, &dyn Any) -> Option<Box<dyn Any>>;

/// Carries out intents of one kind.
pub struct Resolver {
    pub(crate) intent: &'static str,
    pub(crate) priority: i32,
    resolve: Rc<Resolve>,
}

/// Where contributions of resolvers go.
pub(crate) const RESOLVERS: Capability<Resolver> =
    Capability::new("dxos.org/capability/intent-resolver");

impl Resolver {
    /// The capability resolvers are contributed to.
    pub const CAPABILITY: Capability<Resolver> = RESOLVERS;

    /// A resolver for all intents of type `I`.
    pub fn new<I: Intent>(resolve: impl Fn(&App, I) -> Resolution<I::Output> + 'static) -> Self {
        Self::accepting(0, move |app, intent: I| Some(resolve(app, intent)))
    }

    /// A resolver that may pass an intent on to the next one with `None`.
    pub fn accepting<I: Intent>(
        priority: i32,
        resolve: impl Fn(&App, I) -> Option<Resolution<I::Output>> + 'static,
    ) -> Self {
        Resolver {
            intent: I::ID,
            priority,
            resolve: Rc::new(move |app, any| {
                let intent = any.downcast_ref::<I>()?.clone();
                let resolution = resolve(app, intent)?;
                Some(Box::new(resolution) as Box<dyn Any>)
            }),
        }
    }

    pub(crate) fn call<I: Intent>(&self, app: &App, intent: &I) -> Option<Resolution<I::Output>> {
        let answer = (self.resolve)(app, intent)?;
        answer
            .downcast::<Resolution<I::Output>>()
            .ok()
            .map(|resolution| *resolution)
    }
}
