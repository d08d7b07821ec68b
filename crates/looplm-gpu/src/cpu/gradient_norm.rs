/// Twin of `gradient_norm`: norm, scale, 1 if finite, 0.
pub fn gradient_norm(gradient: &[f32], max_norm: f32) -> [f32; 4] {
    let squares: f64 = gradient.iter().map(|g| f64::from(*g).powi(2)).sum();
    let norm = squares.sqrt();
    // The kernel's squares are f32.
    if !(squares as f32).is_finite() {
        return [norm as f32, 0.0, 0.0, 0.0];
    }
    let scale = (f64::from(max_norm) / norm).min(1.0);
    [norm as f32, scale as f32, 1.0, 0.0]
}
