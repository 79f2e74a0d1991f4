//! Former names of renamed fields, from the types kept in open spaces: queries asked in a space look under them too.

use std::collections::{BTreeMap, BTreeSet};

use dxos_base::schema::TypeSchema;
use dxos_base::schema::stored::{STORED_TYPE_NAME, StoredType};
use dxos_base::{Query, SpaceId, limits};
use dxos_echo::store::Store;
use dxos_echo::{EchoError, Touched};

use crate::live::Spaces;

/// Stored types with renamed fields, by space.
#[derive(Debug, Default)]
pub(super) struct FormerNames {
    types: BTreeMap<SpaceId, Vec<TypeSchema>>,
}

impl FormerNames {
    /// Objects changed; gives whether what is known of the space's types has to be read anew.
    pub(super) fn touched(&mut self, space: SpaceId, touched: &Touched) -> bool {
        touched.types.contains(STORED_TYPE_NAME) && self.forget(space)
    }

    /// Forgets a space; gives whether anything was known of it.
    pub(super) fn forget(&mut self, space: SpaceId) -> bool {
        self.types.remove(&space).is_some()
    }

    /// Reads the types of spaces that are open and not known yet.
    pub(super) fn read(
        &mut self,
        wanted: &BTreeSet<SpaceId>,
        spaces: &Spaces,
        store: &mut dyn Store,
    ) -> Result<(), EchoError> {
        self.types.retain(|space, _| spaces.contains_key(space));
        for space in wanted {
            if self.types.contains_key(space) {
                continue;
            }
            let Some(state) = spaces.get(space) else {
                continue;
            };
            let all = Query::of_type(STORED_TYPE_NAME).limit(limits::TYPES_MAX as u32);
            let mut renamed = Vec::new();
            for view in state.data.answer(store, &all)?.rows {
                // What is no sound type says nothing.
                let Ok(stored) = StoredType::read(&view.values) else {
                    continue;
                };
                let schema = stored.schema();
                if schema.fields.iter().any(|field| !field.aliases.is_empty()) {
                    renamed.push(schema.clone());
                }
            }
            self.types.insert(*space, renamed);
        }
        Ok(())
    }

    /// A query as it is answered over some spaces.
    pub(super) fn completed(&self, query: &Query, wanted: &BTreeSet<SpaceId>) -> Query {
        let mut query = query.clone();
        let of = |space| self.types.get(space).into_iter().flatten().rev();
        query.add_former_names(wanted.iter().flat_map(of));
        query
    }
}
