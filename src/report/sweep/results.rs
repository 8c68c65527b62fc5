//! Results as Parquet: one row per case in the order of their numbers, types from the study, where it
//! comes from in the metadata of the file. The same rows give the same bytes.

use crate::error::{Diagnostic, Error, Result};
use crate::study::sweep::row::{COLUMNS, Cell, Kind};
use crate::study::sweep::{Study, Value};
use parquet::basic::Compression;
use parquet::column::reader::ColumnReader;
use parquet::data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int64Type};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::file::reader::{ChunkReader, FileReader, SerializedFileReader};
use parquet::file::writer::{SerializedFileWriter, SerializedRowGroupWriter};
use serde_json::{Value as Json, json};
use std::io::Write;
use std::sync::Arc;

/// Key of the metadata that says where a file comes from.
const PROVENANCE: &str = "exaplan.sweep";
/// Key that a file of one shard has besides.
const SHARD: &str = "exaplan.shard";
/// Rows that are written, and held, together.
const GROUP_ROWS: usize = 65_536;
/// Rows of a page: what a reader holds of a column.
const PAGE_ROWS: usize = 4096;

/// Rows that a reader gives out together: of many shards all are open at once.
const READ_ROWS: usize = 256;

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Label {
    /// Study, scenario, catalog and program, by digest and text.
    pub provenance: Json,
    /// `0/3` in a file that holds one shard of three.
    pub shard: Option<String>,
}

/// Names and types of all columns: the case, what varies, what came out.
#[must_use]
pub fn columns(study: &Study) -> Vec<(String, Kind)> {
    let axes = study.axes.iter().flat_map(|axis| {
        let column = |i: usize| axis.values.iter().map(move |point| &point[i]);
        axis.paths.iter().enumerate().map(move |(i, path)| (path.clone(), kind(column(i))))
    });
    let fixed = COLUMNS.iter().map(|(name, kind)| ((*name).to_string(), *kind));
    std::iter::once(("case".to_string(), Kind::Whole))
        .chain(axes)
        .chain(fixed)
        .collect()
}

/// The narrowest type that holds all values.
fn kind<'v>(values: impl Iterator<Item = &'v Value> + Clone) -> Kind {
    if values.clone().all(|v| matches!(v, Value::Integer(_))) {
        Kind::Whole
    } else if values.clone().all(|v| v.number().is_some()) {
        Kind::Number
    } else if values.clone().all(|v| matches!(v, Value::Flag(_))) {
        Kind::Flag
    } else {
        Kind::Text
    }
}

/// A value in a column of a type.
#[must_use]
pub fn cell(value: &Value, kind: Kind) -> Cell {
    match (value, kind) {
        (Value::Integer(n), Kind::Whole) => Cell::Whole(*n),
        (Value::Flag(b), Kind::Flag) => Cell::Flag(*b),
        (_, Kind::Number) => value.number().map_or(Cell::Null, Cell::Number),
        _ => Cell::Text(value.to_string().into()),
    }
}

fn schema(columns: &[(String, Kind)]) -> std::result::Result<Arc<parquet::schema::types::Type>, ParquetError> {
    use parquet::basic::{LogicalType, Repetition, Type as Physical};
    use parquet::schema::types::Type;
    let fields = columns.iter().map(|(name, kind)| {
        let (physical, logical) = match kind {
            Kind::Whole => (Physical::INT64, None),
            Kind::Number => (Physical::DOUBLE, None),
            Kind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            Kind::Flag => (Physical::BOOLEAN, None),
        };
        Type::primitive_type_builder(name, physical)
            .with_repetition(Repetition::OPTIONAL)
            .with_logical_type(logical)
            .build()
            .map(Arc::new)
    });
    let fields = fields.collect::<std::result::Result<Vec<_>, _>>()?;
    Type::group_type_builder("case").with_fields(fields).build().map(Arc::new)
}

/// Values of one column, those that are known, with a level for each that says whether it is.
enum Held {
    Whole(Vec<i64>),
    Number(Vec<f64>),
    Text(Vec<ByteArray>),
    Flag(Vec<bool>),
}

/// Writes rows.
pub struct Writer<W: Write + Send> {
    file: SerializedFileWriter<W>,
    held: Vec<(Held, Vec<i16>)>,
    n_held: usize,
}

impl<W: Write + Send> Writer<W> {
    /// A file without rows.
    ///
    /// # Errors
    /// When its head cannot be written.
    pub fn new(out: W, study: &Study, label: &Label) -> Result<Writer<W>> {
        let columns = columns(study);
        let mut metadata = vec![KeyValue::new(PROVENANCE.to_string(), label.provenance.to_string())];
        metadata.extend(label.shard.clone().map(|s| KeyValue::new(SHARD.to_string(), s)));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_created_by(format!("exaplan {}", env!("CARGO_PKG_VERSION")))
            .set_data_page_row_count_limit(PAGE_ROWS)
            .set_write_batch_size(PAGE_ROWS)
            .set_key_value_metadata(Some(metadata))
            .build();
        let file = schema(&columns).and_then(|s| SerializedFileWriter::new(out, s, Arc::new(properties)));
        let held = columns.iter().map(|(_, kind)| {
            let values = match kind {
                Kind::Whole => Held::Whole(Vec::new()),
                Kind::Number => Held::Number(Vec::new()),
                Kind::Text => Held::Text(Vec::new()),
                Kind::Flag => Held::Flag(Vec::new()),
            };
            (values, Vec::new())
        });
        Ok(Writer {
            file: file.map_err(|e| unwritten(&e))?,
            held: held.collect(),
            n_held: 0,
        })
    }

    /// One more row: a cell for each of [`columns`].
    ///
    /// # Errors
    /// When rows cannot be written.
    pub fn push(&mut self, cells: impl Iterator<Item = Cell>) -> Result<()> {
        for ((values, levels), cell) in self.held.iter_mut().zip(cells) {
            let known = match (values, cell) {
                (Held::Whole(list), Cell::Whole(n)) => {
                    list.push(n);
                    true
                }
                (Held::Number(list), Cell::Number(x)) => {
                    list.push(x);
                    true
                }
                (Held::Text(list), Cell::Text(text)) => {
                    list.push(ByteArray::from(text.as_bytes().to_vec()));
                    true
                }
                (Held::Flag(list), Cell::Flag(b)) => {
                    list.push(b);
                    true
                }
                _ => false,
            };
            levels.push(i16::from(known));
        }
        self.n_held += 1;
        if self.n_held == GROUP_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        let mut group = self.file.next_row_group().map_err(|e| unwritten(&e))?;
        for (values, levels) in &mut self.held {
            match values {
                Held::Whole(list) => write::<Int64Type, W>(&mut group, list, levels),
                Held::Number(list) => write::<DoubleType, W>(&mut group, list, levels),
                Held::Text(list) => write::<ByteArrayType, W>(&mut group, list, levels),
                Held::Flag(list) => write::<BoolType, W>(&mut group, list, levels),
            }
            .map_err(|e| unwritten(&e))?;
        }
        group.close().map_err(|e| unwritten(&e))?;
        self.n_held = 0;
        Ok(())
    }

    /// Write what is held and the foot.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(mut self) -> Result<()> {
        if self.n_held > 0 {
            self.flush()?;
        }
        self.file.close().map(|_| ()).map_err(|e| unwritten(&e))
    }
}

fn write<T: DataType, W: Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &mut Vec<T::T>,
    levels: &mut Vec<i16>,
) -> std::result::Result<(), ParquetError> {
    if let Some(mut column) = group.next_column()? {
        column.typed::<T>().write_batch(values, Some(levels), None)?;
        column.close()?;
    }
    values.clear();
    levels.clear();
    Ok(())
}

/// Reads rows in order, a few at a time.
pub struct Reader<R: ChunkReader + 'static> {
    file: SerializedFileReader<R>,
    kinds: Vec<Kind>,
    next_group: usize,
    columns: Vec<ColumnReader>,
    left: usize,
    rows: std::vec::IntoIter<Vec<Cell>>,
}

impl<R: ChunkReader + 'static> Reader<R> {
    /// A file of results, called `name` in messages.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(input: R, name: &str) -> Result<Reader<R>> {
        let file = SerializedFileReader::new(input).map_err(|e| {
            let help = "give a file that `exaplan sweep run` or `merge` wrote";
            Diagnostic::new(format!("`{name}` is no Parquet file: {e}")).help(help)
        })?;
        let kinds = file
            .metadata()
            .file_metadata()
            .schema_descr()
            .columns()
            .iter()
            .map(|c| match c.physical_type() {
                parquet::basic::Type::INT64 => Kind::Whole,
                parquet::basic::Type::DOUBLE => Kind::Number,
                parquet::basic::Type::BOOLEAN => Kind::Flag,
                _ => Kind::Text,
            });
        Ok(Reader {
            kinds: kinds.collect(),
            file,
            next_group: 0,
            columns: Vec::new(),
            left: 0,
            rows: Vec::new().into_iter(),
        })
    }

    /// Names of its columns.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let schema = self.file.metadata().file_metadata().schema_descr();
        schema.columns().iter().map(|c| c.name().to_string()).collect()
    }

    /// Rows in all.
    #[must_use]
    pub fn n_rows(&self) -> u64 {
        u64::try_from(self.file.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// What it says of itself; nothing in a file that exaplan did not write.
    #[must_use]
    pub fn label(&self) -> Option<Label> {
        let list = self.file.metadata().file_metadata().key_value_metadata()?;
        let of = |key: &str| list.iter().find(|k| k.key == key).and_then(|k| k.value.clone());
        Some(Label {
            provenance: serde_json::from_str(&of(PROVENANCE)?).ok()?,
            shard: of(SHARD),
        })
    }

    /// The next row.
    ///
    /// # Errors
    /// When the file is damaged.
    pub fn row(&mut self) -> Result<Option<Vec<Cell>>> {
        if let Some(row) = self.rows.next() {
            return Ok(Some(row));
        }
        self.fill().map_err(|e| unread(&e))?;
        Ok(self.rows.next())
    }

    fn fill(&mut self) -> std::result::Result<(), ParquetError> {
        while self.left == 0 {
            if self.next_group == self.file.num_row_groups() {
                return Ok(());
            }
            let group = self.file.get_row_group(self.next_group)?;
            self.next_group += 1;
            self.left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            self.columns = (0..self.kinds.len())
                .map(|i| group.get_column_reader(i))
                .collect::<std::result::Result<_, _>>()?;
        }
        let n = self.left.min(READ_ROWS);
        let mut rows = vec![Vec::with_capacity(self.kinds.len()); n];
        for column in &mut self.columns {
            let cells = read(column, n)?;
            if cells.len() != n {
                return Err(ParquetError::General(format!("a column has {} of {n} rows", cells.len())));
            }
            for (row, cell) in rows.iter_mut().zip(cells) {
                row.push(cell);
            }
        }
        self.left -= n;
        self.rows = rows.into_iter();
        Ok(())
    }
}

fn read(column: &mut ColumnReader, n: usize) -> std::result::Result<Vec<Cell>, ParquetError> {
    let mut levels = Vec::with_capacity(n);
    macro_rules! take {
        ($reader:expr, $cell:expr) => {{
            let mut values = Vec::with_capacity(n);
            let mut done = 0;
            while done < n {
                let (records, ..) = $reader.read_records(n - done, Some(&mut levels), None, &mut values)?;
                if records == 0 {
                    break;
                }
                done += records;
            }
            let mut values = values.into_iter();
            let known = levels.iter().map(|level| {
                if *level > 0 {
                    values.next().map_or(Cell::Null, $cell)
                } else {
                    Cell::Null
                }
            });
            Ok(known.collect())
        }};
    }
    match column {
        ColumnReader::Int64ColumnReader(r) => take!(r, Cell::Whole),
        ColumnReader::DoubleColumnReader(r) => take!(r, Cell::Number),
        ColumnReader::BoolColumnReader(r) => take!(r, Cell::Flag),
        ColumnReader::ByteArrayColumnReader(r) => {
            take!(r, |b: ByteArray| Cell::Text(String::from_utf8_lossy(b.data()).into_owned().into()))
        }
        _ => Err(ParquetError::General("a column of a type that exaplan does not write".to_string())),
    }
}

fn unwritten(error: &ParquetError) -> Error {
    Error::Io {
        path: "Parquet".into(),
        source: std::io::Error::other(error.to_string()),
    }
}

fn unread(error: &ParquetError) -> Error {
    Diagnostic::new(format!("the results cannot be read: {error}"))
        .help("run the shard again with --restart")
        .into()
}

/// The provenance of a study over a scenario and a catalog.
#[must_use]
pub fn provenance(study: &Study, scenario: &crate::study::sweep::Sweep) -> Json {
    let template = scenario.template();
    json!({
        "schema": "exaplan.sweep.file/1",
        "program": format!("exaplan {}", env!("CARGO_PKG_VERSION")),
        "study": study.name,
        "study_digest": study.digest,
        "scenario": study.scenario,
        "scenario_digest": crate::catalog::digest_text(&template.origin().text),
        "catalog_digest": template.catalog().digest(),
        "set": study.set,
        "axes": study.axes.iter().map(|a| json!(a.paths)).collect::<Vec<_>>(),
        "filters": study.filters.iter().map(|f| json!(f.text)).collect::<Vec<_>>(),
        "n_numbers": study.n_numbers(),
    })
}
