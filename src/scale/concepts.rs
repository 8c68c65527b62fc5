//! What of scaling can be planned: each concept, the command that reaches it, the test that checks it.

/// How much of a concept is modelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Modelled.
    Whole,
    /// A narrow piece of it.
    Part,
    /// Not, with the reason.
    Outside,
}

impl Extent {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Extent::Whole => "modelled",
            Extent::Part => "in part",
            Extent::Outside => "not",
        }
    }
}

/// One concept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Concept {
    /// Its name.
    pub name: &'static str,
    /// How much of it.
    pub extent: Extent,
    /// What is told, or why nothing is.
    pub tells: &'static str,
    /// A command that tells it; `POINTS.csv` stands for the user's file.
    pub command: &'static str,
    /// Name of the test that checks it against a published or hand-worked number.
    pub check: &'static str,
}

const fn whole(name: &'static str, tells: &'static str, command: &'static str, check: &'static str) -> Concept {
    Concept {
        name,
        extent: Extent::Whole,
        tells,
        command,
        check,
    }
}

const fn part(name: &'static str, tells: &'static str, command: &'static str, check: &'static str) -> Concept {
    Concept {
        name,
        extent: Extent::Part,
        tells,
        command,
        check,
    }
}

const fn outside(name: &'static str, tells: &'static str) -> Concept {
    Concept {
        name,
        extent: Extent::Outside,
        tells,
        command: "",
        check: "",
    }
}

/// All of them, in the order of data, size, compute, architecture, limits, future.
pub const CONCEPTS: &[Concept] = &[
    whole(
        "Data needed",
        "tokens for a budget, epochs over what there is",
        "exaplan scale optimal --flop 5.76e23 --unique 500G",
        "chinchilla_70b_follows_from_its_budget",
    ),
    whole(
        "Web text and its cleaning",
        "tokens after each stage of a published recipe, shortfall",
        "exaplan scale data --need 15T --recipe fineweb",
        "published_funnels_come_back",
    ),
    whole(
        "Books",
        "stock, growth, price by title and word",
        "exaplan scale data --need 15T --licence book-title=50000",
        "books_and_licences_are_arithmetic",
    ),
    whole(
        "Code",
        "stock and repeats of code in a mix",
        "exaplan scale data --need 15T --mix web=0.83 --mix code-stack-v2=0.17",
        "a_mix_sums_to_one_and_tells_repeats",
    ),
    whole(
        "Conversational data",
        "stock and price; private messages count as unusable",
        "exaplan scale data --need 15T --licence reddit-aggregate=1",
        "reddit_costs_what_its_contracts_say",
    ),
    part(
        "Data bias",
        "shares, repeats and the cost of a filter pass; no law tells a bias score",
        "exaplan scale data --need 15T --mix web=0.6 --mix books=0.4 --classifier 1e8",
        "arithmetic_by_hand",
    ),
    part(
        "Data poisoning",
        "whether planted documents are enough: the count decides, not the share",
        "exaplan scale data --need 15T --planted 250",
        "the_count_of_planted_documents_decides_and_not_the_corpus",
    ),
    whole(
        "Availability and copyright",
        "licence budget against the compute bill; whether a use is lawful is not told",
        "exaplan scale data --need 15T --licence publisher-year=34 --years 1 --compute 100MUSD",
        "books_and_licences_are_arithmetic",
    ),
    whole(
        "Curriculum",
        "steps, FLOP and time of schedules of length and batch",
        "exaplan scale curriculum --tokens 655G --batch 4194304@168G,8388608@503G,16777216",
        "a_growing_batch_takes_43_percent_fewer_steps",
    ),
    whole(
        "Parameters",
        "size with and without embeddings, active size, FLOP, memory",
        "exaplan plan --json",
        "published_sizes_are_counted",
    ),
    whole(
        "Loss of a larger model",
        "loss with interval and distance from the law's points",
        "exaplan scale forecast --params 70B --tokens 1.4T",
        "chinchilla_70b_follows_from_its_budget",
    ),
    part(
        "Emergent abilities",
        "tasks with a ladder, and why exact matches seem to jump; never a threshold",
        "exaplan scale forecast --params 13B --tokens 5T --answer-tokens 8",
        "the_ladder_tells_tasks_of_13b_on_5t",
    ),
    part(
        "Generalisation",
        "the loss on one set from that on another",
        "exaplan scale fit POINTS.csv --form transfer --column loss=loss_c4_val --column value=loss_paloma_c4_en",
        "loss_on_one_set_tells_the_loss_on_another",
    ),
    whole(
        "Computational cost",
        "days, money, memory; the cheapest model over a life of serving",
        "exaplan scale optimal --flop 1e24 --served 2T",
        "a_model_that_serves_is_smaller_and_trained_longer",
    ),
    whole(
        "Energy",
        "joules of a run, and the size and data for an amount of energy",
        "exaplan scale optimal --energy 100MWh --set cluster.nodes=16",
        "energy_bounds_a_run",
    ),
    whole(
        "Overfitting and repeats",
        "effective data and size, worth of the next epoch",
        "exaplan scale forecast --params 7B --tokens 1T --unique 100G",
        "epochs_are_worth_what_the_paper_says",
    ),
    part(
        "Learning rates and instability",
        "starts for rate and batch; expected loss of time; divergence is not forecast",
        "exaplan scale hyper --params 7B --tokens 2T",
        "deepseek_models_come_back",
    ),
    whole(
        "Data and model parallelism",
        "the widest batch worth its tokens, in the real layout",
        "exaplan scale optimal --deadline 7d --set cluster.nodes=16",
        "the_critical_batch_costs_a_fifth",
    ),
    whole(
        "Specialised hardware",
        "step time and utilization on a device",
        "exaplan plan --set cluster.accelerator=h200-sxm --json",
        "small_models_use_less_of_a_device_as_dclm_measured",
    ),
    whole(
        "Cloud",
        "rented against owned cost",
        "exaplan plan --set cost.owned=true --json",
        "owning_is_billed_by_parts",
    ),
    whole(
        "Better algorithms",
        "what the same loss costs in some months",
        "exaplan scale limits --flop 1e25 --months 12",
        "progress_and_demand_follow_their_rates",
    ),
    whole(
        "Communication",
        "joint optimum of step time and steps over the batch",
        "exaplan scale optimal --deadline 7d --set cluster.nodes=16 --json",
        "a_faster_network_wants_no_wider_batch",
    ),
    part(
        "Synchronisation",
        "slow devices, failures, checkpoints; stale updates have no law",
        "exaplan explain --slow stage=3,factor=1.1 --json",
        "slow_devices_cost_a_step",
    ),
    whole(
        "Cost of infrastructure",
        "price of the next step of loss on a real machine",
        "exaplan scale limits --flop 5.88e23 --step 0.01",
        "each_tenfold_removes_a_third_of_what_can_be_removed",
    ),
    whole(
        "Diminishing returns",
        "slope, price of 0.01 nat, compute beyond which it is not worth it",
        "exaplan scale limits --flop 5.88e23 --worth 10MUSD",
        "each_tenfold_removes_a_third_of_what_can_be_removed",
    ),
    whole(
        "Transformer",
        "FLOP with and without attention, by part",
        "exaplan explain step.time_s --json",
        "six_nd_is_close_to_exact_counting",
    ),
    whole(
        "Sparse attention",
        "work, state and context at which attention costs as much as the rest",
        "exaplan scale architectures --set cluster.nodes=64 --set model.use=llama3-8b --set layout={}",
        "sparse_attention_scores_seven_times_less_at_131072",
    ),
    whole(
        "Mixture of experts",
        "active and total size, effective dense size by three routes",
        "exaplan scale optimal --flop 1e24 --experts 64 --route krajewski",
        "mixtures_count_more_than_they_activate_and_routes_disagree",
    ),
    part(
        "Recurrent networks",
        "work, state and time of an LSTM; its loss at scale has no law",
        "exaplan scale architectures --set cluster.nodes=64 --set model.use=llama3-8b --set layout={} --json",
        "states_do_not_grow_with_the_context_and_keys_do",
    ),
    whole(
        "Hybrids",
        "work, state and time; loss within 2 % of the dense one, times your factor",
        "exaplan scale architectures --set cluster.nodes=64 --set model.use=llama3-8b --set layout={} --loss-factor 0.99",
        "attention_meets_the_rest_at_some_context_and_scans_never",
    ),
    outside(
        "Complexity",
        "engineering effort is not measurable here; a user may add staff cost as a line",
    ),
    part(
        "Hardware compatibility",
        "measured kernels of a device, and what share of a step rests on them",
        "exaplan catalog show h100-sxm-80gb",
        "devices_tell_their_measured_kernels",
    ),
    whole(
        "Tuning",
        "cost of a ladder of small runs, and how far it is from the big one",
        "exaplan scale ladder --target-params 13B --target-tokens 5T",
        "a_published_ladder_costs_about_a_hundredth_of_its_target",
    ),
    part(
        "Stability and convergence",
        "expected time lost to rollbacks at your rate; divergence is not forecast",
        "exaplan scale extras --run 60d --rollbacks-per-day 0.5",
        "arithmetic_by_hand",
    ),
    whole(
        "Plateau",
        "which of data, power, chips, latency, money allows least, and when demand meets it",
        "exaplan scale limits --flop 1e26 --power 1GW --devices 100000 --money 1GUSD --time 120d",
        "the_smallest_ceiling_binds",
    ),
    whole(
        "Data scarcity",
        "the year in which public text is used up, by Monte Carlo",
        "exaplan scale data --need 100T --overtraining 5",
        "public_text_runs_out_when_the_paper_says",
    ),
    whole(
        "Cost that grows",
        "cost of a loss today and with algorithmic progress",
        "exaplan scale limits --flop 1e26 --months 24 --json",
        "progress_and_demand_follow_their_rates",
    ),
    outside(
        "General intelligence",
        "only the irreducible loss is modelled, and it belongs to a corpus and a tokenizer, not to intelligence",
    ),
    outside(
        "Ethics and misuse",
        "no quantity; thresholds of rules are shown as flags by `exaplan scale limits`",
    ),
    part(
        "Interpretability",
        "storage and FLOP of a pass, from your numbers",
        "exaplan scale extras --activation-tokens 1G --width 4096 --layers 32 --dictionary 100M",
        "arithmetic_by_hand",
    ),
    whole(
        "Efficient architectures",
        "equal loss at less compute by published mixtures, with their spread",
        "exaplan scale optimal --flop 1e20 --experts 64 --json",
        "mixtures_count_more_than_they_activate_and_routes_disagree",
    ),
    part(
        "Self-supervised learning",
        "stocks of image, video and audio tokens; no loss of mixed modalities",
        "exaplan scale data --need 500T --mix video=0.5 --mix image=0.5",
        "a_mix_sums_to_one_and_tells_repeats",
    ),
    part(
        "Knowledge integration",
        "bytes of an index and FLOP of retrieved context",
        "exaplan scale extras --passages 1G --width 768 --context 2000 --params 7B",
        "arithmetic_by_hand",
    ),
    part(
        "Modular design",
        "adapters on a frozen base; FLOP and bytes of branches that are merged",
        "exaplan scale extras --branches 8 --params 1B --tokens 100G",
        "arithmetic_by_hand",
    ),
    part(
        "Transparency",
        "every number with source, interval and evidence, as a record",
        "exaplan scale laws chinchilla --json",
        "every_built_in_law_is_sound_and_has_a_source",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forty_two_concepts_can_be_reached_and_three_cannot() {
        let n = |extent| CONCEPTS.iter().filter(|c| c.extent == extent).count();
        assert_eq!((n(Extent::Whole), n(Extent::Part), n(Extent::Outside)), (28, 14, 3));
        for c in CONCEPTS {
            assert_eq!(c.extent == Extent::Outside, c.command.is_empty(), "{}", c.name);
            assert_eq!(c.command.is_empty(), c.check.is_empty(), "{}", c.name);
        }
    }
}
