//! An archive, read.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Seek};

use dxos_base::json::from_json;
use dxos_base::schema::stored::{self, STORED_TYPE, StoredType};
use dxos_base::typed::Object as _;
use dxos_base::{ObjectId, ObjectWrite, PlainObject, Ref, SpaceId, limits};
use dxos_client::{Space, SpaceProperties};
use serde_json::Value as Json;
use zip::ZipArchive;

use super::{FORMAT, MANIFEST, Manifest, OBJECTS, VERSION};
use crate::{ExchangeError, Progress, Put, ReadError, Report};

/// Bytes of a manifest.
const MANIFEST_BYTES_MAX: u64 = 64 * 1024;

/// An archive that is one, opened.
#[derive(Debug)]
pub struct Archive<R> {
    zip: ZipArchive<R>,
    manifest: Manifest,
}

/// Opens an archive.
///
/// # Errors
/// When it is none, damaged, or of a later version.
pub fn open<R: Read + Seek>(reader: R) -> Result<Archive<R>, ReadError> {
    let wrong = |error: &dyn std::fmt::Display| ReadError::format("the archive", error);
    let mut zip = ZipArchive::new(reader).map_err(|error| wrong(&error))?;
    if zip.len() > limits::ARCHIVE_FILES_MAX {
        return Err(ReadError::too_large("the archive", "too many files"));
    }
    let mut text = String::new();
    let member = zip
        .by_name(MANIFEST)
        .map_err(|_| wrong(&"there is no manifest.json in it"))?;
    member
        .take(MANIFEST_BYTES_MAX + 1)
        .read_to_string(&mut text)
        .map_err(|error| wrong(&error))?;
    if text.len() as u64 > MANIFEST_BYTES_MAX {
        return Err(ReadError::too_large(MANIFEST, "more than 64 KiB"));
    }
    // The version first: a later manifest may look otherwise.
    let json: Json =
        serde_json::from_str(&text).map_err(|error| ReadError::format(MANIFEST, error))?;
    if json["format"].as_str() != Some(FORMAT) {
        return Err(ReadError::format(MANIFEST, "it is of something else"));
    }
    match json["version"].as_u64() {
        Some(1..=VERSION) => {}
        version => {
            return Err(ReadError::Version {
                what: "the archive".into(),
                version: version.unwrap_or_default(),
                known: VERSION,
            });
        }
    }
    let manifest =
        serde_json::from_value(json).map_err(|error| ReadError::format(MANIFEST, error))?;
    Ok(Archive { zip, manifest })
}

impl<R: Read + Seek> Archive<R> {
    /// What it says about itself.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Calls `take` with every object, and what is no object, with its line.
    ///
    /// # Errors
    /// When it is damaged or over a limit.
    pub fn objects(
        &mut self,
        mut take: impl FnMut(u64, Result<PlainObject, String>),
    ) -> Result<(), ReadError> {
        let mut lines = self.lines()?;
        while let Some((number, line, space)) = lines.next()? {
            take(number, object(&line, space));
        }
        Ok(())
    }

    fn lines(&mut self) -> Result<Lines<impl BufRead + use<'_, R>>, ReadError> {
        let space = self.manifest.space;
        let member = self
            .zip
            .by_name(OBJECTS)
            .map_err(|error| ReadError::format(OBJECTS, error))?;
        Ok(Lines {
            reader: BufReader::new(member),
            space,
            number: 0,
            left: limits::ARCHIVE_BYTES_MAX,
        })
    }

    /// Members that are not known here.
    fn others(&self) -> Vec<String> {
        let names = (0..self.zip.len()).filter_map(|index| self.zip.name_for_index(index)?.ok());
        names
            .filter(|name| name != MANIFEST && name != OBJECTS && !name.ends_with('/'))
            .map(|name| name.into_owned())
            .collect()
    }
}

struct Lines<B> {
    reader: B,
    space: SpaceId,
    number: u64,
    left: u64,
}

impl<B: BufRead> Lines<B> {
    fn next(&mut self) -> Result<Option<(u64, Vec<u8>, SpaceId)>, ReadError> {
        let max = limits::IMPORT_FILE_BYTES_MAX as u64;
        let mut line = Vec::new();
        let read = (&mut self.reader)
            .take(max + 1)
            .read_until(b'\n', &mut line);
        let read = read.map_err(|error| ReadError::format(OBJECTS, error))? as u64;
        self.number += 1;
        if read > max {
            return Err(ReadError::too_large(
                OBJECTS,
                format!("line {} has more than 64 MiB", self.number),
            ));
        }
        self.left = self
            .left
            .checked_sub(read)
            .ok_or_else(|| ReadError::too_large(OBJECTS, "it unpacks to too much"))?;
        Ok((read > 0).then_some((self.number, line, self.space)))
    }
}

fn object(line: &[u8], space: SpaceId) -> Result<PlainObject, String> {
    let json: Json = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    if json.get(dxos_base::json::ID).is_none() {
        return Err("it has no @id".into());
    }
    from_json(&json, space, || ObjectId([0; 16])).map_err(|error| error.to_string())
}

/// What has to be known of all objects before the first is written.
#[derive(Default)]
struct First {
    deleted: BTreeSet<ObjectId>,
    /// Ids that a space gives, and those that the new space gives instead.
    ids: BTreeMap<ObjectId, ObjectId>,
}

/// Writes the objects of an archive into a space. What is there already stays as it is; the space's properties get those
/// that they lack.
///
/// # Errors
/// When the archive is damaged, or the space takes no writes any more. What was written stays, and the same call goes on
/// from there.
pub async fn import<R: Read + Seek>(
    space: &Space,
    archive: &mut Archive<R>,
    report: &mut Report,
    progress: Progress<'_>,
) -> Result<(), ExchangeError> {
    let (from, to) = (archive.manifest.space, space.id());
    for name in archive.others() {
        report.leave(name, "is a part of archives that is not known here");
    }
    let mut first = First::default();
    first.ids.insert(properties_of(from), properties_of(to));
    archive.objects(|_, object| {
        let Ok(object) = object else { return };
        if object.deleted {
            first.deleted.insert(object.object);
        }
        if object.type_name == STORED_TYPE
            && let Ok(stored) = StoredType::read(&object.values)
        {
            let name = stored.schema().type_ref();
            if object.object == stored::object_id(&from, &name) {
                first
                    .ids
                    .insert(object.object, stored::object_id(&to, &name));
            }
        }
    })?;
    let count = archive.manifest.objects;
    let mut put = Put::new(space, report);
    let mut lines = archive.lines()?;
    while let Some((number, line, _)) = lines.next()? {
        progress(number, count.max(number));
        let mut object = match object(&line, from) {
            Ok(object) => object,
            Err(reason) => {
                put.report()
                    .leave(format!("{OBJECTS}, line {number}"), reason);
                continue;
            }
        };
        let with_parent = object.deleted
            && object
                .meta
                .parent
                .is_some_and(|parent| first.deleted.contains(&parent.object));
        move_into(&mut object, to, &first.ids);
        let name = format!("object {}", object.object);
        if object.object == properties_of(to) {
            complete_properties(space, object, put.report()).await?;
        } else if with_parent {
            put.add_with_parent(name, object).await?;
        } else {
            put.add(name, object).await?;
        }
    }
    put.finish().await?;
    Ok(())
}

fn properties_of(space: SpaceId) -> ObjectId {
    let name = SpaceProperties::type_ref();
    ObjectId::well_known(&space, &name.name, &name.version.to_string())
}

/// An object with the ids it has in another space.
fn move_into(object: &mut PlainObject, to: SpaceId, ids: &BTreeMap<ObjectId, ObjectId>) {
    let moved = |id: ObjectId| ids.get(&id).copied().unwrap_or(id);
    object.object = moved(object.object);
    object.rewrite(&|reference: Ref| match reference.space {
        None => Ref::local(moved(reference.object)),
        // It led to the very space it comes into.
        Some(space) if space == to => Ref::local(reference.object),
        Some(_) => reference,
    });
}

/// The properties of a space, which may have some already: those it lacks are set.
async fn complete_properties(
    space: &Space,
    object: PlainObject,
    report: &mut Report,
) -> Result<(), ExchangeError> {
    let Some(present) = space.get_view(object.object).await? else {
        space.write(object.writes()).await?;
        report.taken += 1;
        return Ok(());
    };
    let id = object.object;
    let mut writes = Vec::new();
    let mut kept = false;
    for (name, value) in object.values {
        match present.values.get(&name) {
            None => writes.push(ObjectWrite::set(id, name, value)),
            Some(other) => kept |= *other != value,
        }
    }
    let tags = object.meta.tags.difference(&present.meta.tags);
    writes.extend(tags.map(|tag| ObjectWrite::tag(id, tag)));
    let keys = object.meta.keys.difference(&present.meta.keys);
    writes.extend(keys.map(|key| ObjectWrite::add_key(id, key.clone())));
    if kept {
        report.kept += 1;
        report.leave(
            "properties of the space",
            "some are here already with other values, which stay",
        );
    }
    match writes.is_empty() {
        true => report.unchanged += u64::from(!kept),
        false => {
            space.write(writes).await?;
            report.taken += 1;
        }
    }
    Ok(())
}
