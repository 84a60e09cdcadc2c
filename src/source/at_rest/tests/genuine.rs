//! Every set of the samples.
use super::*;

#[test]
fn dump() {
    let Some(samples) = samples() else { return };
    let mut dirs = vec![samples];
    while let Some(dir) = dirs.pop() {
        for e in std::fs::read_dir(&dir).unwrap() {
            let p = e.unwrap().path();
            if p.is_dir() {
                dirs.push(p)
            }
        }
        match take(&[&dir]) {
            Err(e) => println!("{}: {e}", dir.display()),
            Ok(i) => {
                println!("{}: {} dbs", dir.display(), i.databases.len());
                for d in &i.databases {
                    let h = &d.facts.as_ref().unwrap().header;
                    println!(
                        "   db {:?} {} req {:?} com {} cons {} att {} sig {:?} {}",
                        d.entry.file.name,
                        h.state,
                        h.required_generations(),
                        h.generation_max_committed,
                        h.consistent,
                        h.attach,
                        d.log_signature().map(|s| s.random),
                        h.page_size
                    );
                }
                for s in &i.sequences {
                    println!(
                        "   seq {} {:x} {:?} gaps {:?}",
                        s.base,
                        s.signature.random,
                        s.range(),
                        s.gaps()
                    );
                }
                println!(
                    "   stray {:?} chk {} others {:?} ign {}",
                    i.stray_logs.len(),
                    i.checkpoints.len(),
                    i.others.iter().map(|e| &e.file.name).collect::<Vec<_>>(),
                    i.ignored.len()
                );
                for w in &i.warnings {
                    println!("   W {w}");
                }
            }
        }
    }
}
