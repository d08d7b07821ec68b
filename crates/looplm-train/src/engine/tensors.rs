//! Parameters on the host, by their published names: read from a checkpoint, drawn from a seed, written as safetensors.

use std::collections::HashMap;

use async_trait::async_trait;
use looplm::{
    Config,
    checkpoint::{Checkpoint, LoadError, Source, TensorInfo, TensorSink},
};
use looplm_gpu::Element;
use safetensors::tensor::{Dtype as StoredDtype, TensorView, serialize};

use super::layout::Layout;
use crate::error::TrainError;

/// All parameters of a model in one flat array, in the engine's order.
#[derive(Debug, Clone)]
pub(crate) struct HostParameters {
    pub(crate) flat: Vec<f32>,
}

/// Collects a checkpoint's tensors.
struct Collector<'a> {
    layout: &'a Layout,
    by_name: HashMap<&'a str, usize>,
    flat: Vec<f32>,
    current: Option<(usize, Element, Vec<u8>)>,
}

#[async_trait(?Send)]
impl TensorSink for Collector<'_> {
    type Error = TrainError;

    async fn begin(&mut self, tensor: &TensorInfo) -> Result<(), TrainError> {
        let Some(element) = tensor.dtype.element().filter(|_| !tensor.scales) else {
            let message = format!(
                "{} is quantised ({}); training needs the checkpoint it was converted from",
                tensor.name,
                tensor.dtype.name()
            );
            return Err(looplm::Error::invalid("model", message).into());
        };
        // The checkpoint has been held against the same configuration as the layout.
        self.current = self
            .by_name
            .get(tensor.name.as_str())
            .map(|&entry| (entry, element, Vec::new()));
        Ok(())
    }

    async fn bytes(&mut self, bytes: &[u8]) -> Result<(), TrainError> {
        if let Some((_, _, collected)) = &mut self.current {
            collected.extend_from_slice(bytes);
        }
        Ok(())
    }

    async fn end(&mut self) -> Result<(), TrainError> {
        if let Some((entry, element, bytes)) = self.current.take() {
            self.layout.entries[entry].scatter(&element.to_f32(&bytes), &mut self.flat);
        }
        Ok(())
    }
}

impl HostParameters {
    /// Reads the weights of a checkpoint folder, whatever format they are stored in.
    ///
    /// # Errors
    /// [`TrainError::Model`] for what is wrong with the folder.
    pub(crate) async fn read(
        source: &dyn Source,
        config: &Config,
        layout: &Layout,
    ) -> Result<Self, TrainError> {
        let mut collector = Collector {
            layout,
            by_name: layout
                .entries
                .iter()
                .enumerate()
                .map(|(i, entry)| (entry.name.as_str(), i))
                .collect(),
            flat: vec![0.0; layout.elements],
            current: None,
        };
        Checkpoint::open(source, config)
            .await
            .map_err(looplm::Error::from)?
            .load(&mut collector, &mut |_| {})
            .await
            .map_err(|error| match error {
                LoadError::Checkpoint(error) => looplm::Error::from(error).into(),
                LoadError::Sink(error) => error,
            })?;
        Ok(Self {
            flat: collector.flat,
        })
    }
}

/// The tensors of a flat array by name, in the order of the layout: (name, shape, values).
pub(crate) fn named(layout: &Layout, flat: &[f32]) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    layout
        .entries
        .iter()
        .map(|entry| (entry.name.clone(), entry.shape.clone(), entry.gather(flat)))
        .collect()
}

/// Writes tensors as a safetensors file in 32-bit floats.
///
/// # Errors
/// [`TrainError::Snapshot`] if they cannot be written so; a defect.
pub(crate) fn to_safetensors(
    tensors: &[(String, Vec<usize>, Vec<f32>)],
    metadata: &[(&str, String)],
) -> Result<Vec<u8>, TrainError> {
    let failed = |error: safetensors::SafeTensorError| TrainError::Snapshot {
        message: error.to_string(),
    };
    let views = tensors
        .iter()
        .map(|(name, shape, values)| {
            TensorView::new(
                StoredDtype::F32,
                shape.clone(),
                bytemuck::cast_slice(values.as_slice()),
            )
            .map(|view| (name.as_str(), view))
            .map_err(failed)
        })
        .collect::<Result<Vec<_>, _>>()?;
    // The map's type depends on the library's features.
    let metadata = metadata
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    serialize(views, Some(metadata)).map_err(failed)
}
