//! A text open in an editor.

use std::rc::Rc;

use dxos_base::{TextChangeError, TextDelta};
use dxos_services::{CaretView, Failure, TextAddress};

use crate::client::Client;

/// How an editor hears of what it did not do itself.
pub struct TextSink {
    /// Apply this; do not hand it back to [`TextSession::edit`].
    pub on_delta: Rc<dyn Fn(&TextDelta)>,
    /// Carets of others, in the text the editor shows now; replaces what was told before.
    pub on_carets: Rc<dyn Fn(&[CaretView])>,
    /// Own changes were not saved: taken back (a delta came before this), or kept and tried again, by the hint.
    pub on_refused: Rc<dyn Fn(&Failure)>,
}

impl TextSink {
    /// Of three closures.
    pub fn new(
        on_delta: impl Fn(&TextDelta) + 'static,
        on_carets: impl Fn(&[CaretView]) + 'static,
        on_refused: impl Fn(&Failure) + 'static,
    ) -> Self {
        TextSink {
            on_delta: Rc::new(on_delta),
            on_carets: Rc::new(on_carets),
            on_refused: Rc::new(on_refused),
        }
    }
}

/// An open text; closed when dropped (what is unacknowledged is still sent).
pub struct TextSession {
    client: Client,
    address: TextAddress,
    editor: u64,
}

impl TextSession {
    pub(crate) fn new(client: Client, address: TextAddress, editor: u64) -> Self {
        TextSession {
            client,
            address,
            editor,
        }
    }

    /// Which text.
    pub fn address(&self) -> &TextAddress {
        &self.address
    }

    /// What the editor shows: the node's text and own changes.
    pub fn content(&self) -> String {
        self.client.with(|state| state.text_shown(&self.address))
    }

    /// A change the editor has made; positions in UTF-16 units of what it showed before. Returns at once.
    ///
    /// # Errors
    /// When the change does not fit the text; nothing was taken over then, and the editor should show
    /// [`TextSession::content`] anew.
    pub fn edit(&self, delta: TextDelta) -> Result<(), TextChangeError> {
        self.client
            .with(|state| state.text_edited(&self.address, self.editor, &delta))
    }

    /// The selection as shown, for the others to see.
    pub fn select(&self, anchor: u32, head: u32) {
        self.client
            .with(|state| state.text_selected(&self.address, anchor, head));
    }

    /// Carets of others, in the text the editor shows now.
    pub fn carets(&self) -> Vec<CaretView> {
        self.client.with(|state| state.text_carets(&self.address).0)
    }

    /// Something is not acknowledged yet.
    pub fn saving(&self) -> bool {
        self.client.with(|state| !state.text_settled(&self.address))
    }
}

impl Drop for TextSession {
    fn drop(&mut self) {
        self.client
            .with(|state| state.text_closed(&self.address, self.editor));
    }
}

impl std::fmt::Debug for TextSession {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TextSession")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
