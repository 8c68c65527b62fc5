//! The columns of a FOCUS cost and usage file, by version.
//!
//! FOCUS specification 1.2 (29 May 2025), column definitions, CC-BY-4.0; of 1.4 (4 June 2026) as the data model of
//! focus-data-toolkit 0.14.1 has it. Columns of split cost allocation and contract commitments of 1.4 are
//! conditional and have no place in an estimate.

/// A version of FOCUS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Version {
    /// 1.2, the newest that the public validator checks.
    #[default]
    V1_2,
    /// 1.4.
    V1_4,
}

impl Version {
    /// `1.2`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Version::V1_2 => "1.2",
            Version::V1_4 => "1.4",
        }
    }
}

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Decimal,
    /// A decimal that is not negative.
    Price,
    Date,
    Currency,
    Unit,
    /// A flat JSON object.
    Json,
    OneOf(&'static [&'static str]),
}

/// In which versions a column is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum In {
    Both,
    Only(Version),
}

/// A column.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// Whether a value may be missing.
    pub(super) null: bool,
    version: In,
}

const fn may(name: &'static str, kind: Kind) -> Column {
    Column {
        name,
        kind,
        null: true,
        version: In::Both,
    }
}

const fn must(name: &'static str, kind: Kind) -> Column {
    Column {
        name,
        kind,
        null: false,
        version: In::Both,
    }
}

const fn only(version: Version, column: Column) -> Column {
    Column {
        version: In::Only(version),
        ..column
    }
}

pub(super) const CHARGE_CATEGORIES: &[&str] = &["Usage", "Purchase", "Tax", "Credit", "Adjustment"];
const FREQUENCIES: &[&str] = &["One-Time", "Recurring", "Usage-Based"];
const PRICING: &[&str] = &["Standard", "Dynamic", "Committed", "Other"];
const USED: &[&str] = &["Used", "Unused"];
const DISCOUNTS: &[&str] = &["Spend", "Usage"];
const CLASSES: &[&str] = &["Correction"];

/// Categories of services, each with the subcategories that belong to it.
pub(super) const SERVICES: &[(&str, &[&str])] = &[
    (
        "AI and Machine Learning",
        &[
            "AI Platforms",
            "Bots",
            "Generative AI",
            "Machine Learning",
            "Natural Language Processing",
        ],
    ),
    (
        "Analytics",
        &[
            "Analytics Platforms",
            "Business Intelligence",
            "Data Processing",
            "Search",
            "Streaming Analytics",
        ],
    ),
    ("Business Applications", &["Productivity and Collaboration"]),
    (
        "Compute",
        &[
            "Containers",
            "End User Computing",
            "Quantum Compute",
            "Serverless Compute",
            "Virtual Machines",
        ],
    ),
    (
        "Databases",
        &[
            "Caching",
            "Data Warehouses",
            "Ledger Databases",
            "NoSQL Databases",
            "Relational Databases",
            "Time Series Databases",
        ],
    ),
    (
        "Developer Tools",
        &[
            "Continuous Integration and Deployment",
            "Developer Platforms",
            "Development Environments",
            "Quality Assurance",
            "Source Code Management",
        ],
    ),
    ("Multicloud", &["Multicloud Integration"]),
    ("Identity", &["Identity and Access Management"]),
    ("Integration", &["API Management", "Messaging", "Workflow Orchestration"]),
    ("Internet of Things", &["IoT Analytics", "IoT Platforms"]),
    (
        "Management and Governance",
        &[
            "Architecture",
            "Compliance",
            "Cost Management",
            "Data Governance",
            "Disaster Recovery",
            "Endpoint Management",
            "Observability",
            "Support",
        ],
    ),
    ("Media", &["Content Creation", "Gaming", "Media Streaming", "Mixed Reality"]),
    ("Migration", &["Data Migration", "Resource Migration"]),
    ("Mobile", &[]),
    (
        "Networking",
        &[
            "Application Networking",
            "Content Delivery",
            "Network Connectivity",
            "Network Infrastructure",
            "Network Routing",
            "Network Security",
        ],
    ),
    (
        "Security",
        &["Secret Management", "Security Posture Management", "Threat Detection and Response"],
    ),
    (
        "Storage",
        &[
            "Backup Storage",
            "Block Storage",
            "File Storage",
            "Object Storage",
            "Storage Platforms",
        ],
    ),
    ("Web", &["Application Platforms"]),
    ("Other", &[]),
];

/// Whether a subcategory belongs to a category; each has an `Other (CATEGORY)`.
pub(super) fn belongs(subcategory: &str, category: &str) -> bool {
    SERVICES
        .iter()
        .find(|(name, _)| *name == category)
        .is_some_and(|(name, list)| list.contains(&subcategory) || subcategory == format!("Other ({name})"))
}

const NEW: Version = Version::V1_4;
const OLD: Version = Version::V1_2;

const ALL: &[Column] = &[
    may("AvailabilityZone", Kind::Text),
    must("BilledCost", Kind::Decimal),
    must("BillingAccountId", Kind::Text),
    may("BillingAccountName", Kind::Text),
    must("BillingAccountType", Kind::Text),
    must("BillingCurrency", Kind::Currency),
    must("BillingPeriodEnd", Kind::Date),
    must("BillingPeriodStart", Kind::Date),
    may("CapacityReservationId", Kind::Text),
    may("CapacityReservationStatus", Kind::OneOf(USED)),
    must("ChargeCategory", Kind::OneOf(CHARGE_CATEGORIES)),
    may("ChargeClass", Kind::OneOf(CLASSES)),
    must("ChargeDescription", Kind::Text),
    must("ChargeFrequency", Kind::OneOf(FREQUENCIES)),
    must("ChargePeriodEnd", Kind::Date),
    must("ChargePeriodStart", Kind::Date),
    may("CommitmentDiscountCategory", Kind::OneOf(DISCOUNTS)),
    may("CommitmentDiscountId", Kind::Text),
    may("CommitmentDiscountName", Kind::Text),
    may("CommitmentDiscountQuantity", Kind::Decimal),
    may("CommitmentDiscountStatus", Kind::OneOf(USED)),
    may("CommitmentDiscountType", Kind::Text),
    may("CommitmentDiscountUnit", Kind::Unit),
    may("ConsumedQuantity", Kind::Decimal),
    may("ConsumedUnit", Kind::Unit),
    must("ContractedCost", Kind::Decimal),
    may("ContractedUnitPrice", Kind::Price),
    must("EffectiveCost", Kind::Decimal),
    only(NEW, may("HostProviderName", Kind::Text)),
    may("InvoiceId", Kind::Text),
    must("InvoiceIssuerName", Kind::Text),
    must("ListCost", Kind::Decimal),
    may("ListUnitPrice", Kind::Price),
    may("PricingCategory", Kind::OneOf(PRICING)),
    must("PricingCurrency", Kind::Currency),
    may("PricingCurrencyContractedUnitPrice", Kind::Price),
    must("PricingCurrencyEffectiveCost", Kind::Decimal),
    may("PricingCurrencyListUnitPrice", Kind::Price),
    may("PricingQuantity", Kind::Decimal),
    may("PricingUnit", Kind::Unit),
    only(OLD, must("ProviderName", Kind::Text)),
    only(OLD, must("PublisherName", Kind::Text)),
    may("RegionId", Kind::Text),
    may("RegionName", Kind::Text),
    may("ResourceId", Kind::Text),
    may("ResourceName", Kind::Text),
    may("ResourceType", Kind::Text),
    must("ServiceCategory", Kind::Text),
    must("ServiceName", Kind::Text),
    only(NEW, must("ServiceProviderName", Kind::Text)),
    must("ServiceSubcategory", Kind::Text),
    may("SkuId", Kind::Text),
    may("SkuMeter", Kind::Text),
    may("SkuPriceDetails", Kind::Json),
    may("SkuPriceId", Kind::Text),
    may("SubAccountId", Kind::Text),
    may("SubAccountName", Kind::Text),
    may("SubAccountType", Kind::Text),
    must("Tags", Kind::Json),
];

/// Columns of our own, after those of FOCUS.
pub(super) const OWN: &[Column] = &[
    must("x_LineItem", Kind::Text),
    must("x_EstimateId", Kind::Text),
    must("x_EstimateScenario", Kind::Text),
    must("x_EstimateScope", Kind::OneOf(&["run", "life"])),
    must("x_EstimatePercentile", Kind::OneOf(&["P10", "P50", "P90", "as planned"])),
    must("x_EstimateClass", Kind::Text),
    must("x_GeneratedAt", Kind::Date),
    must("x_ToolVersion", Kind::Text),
    must("x_InputSha256", Kind::Text),
    may("x_PriceSource", Kind::Text),
    may("x_PriceDate", Kind::Text),
    may("x_PriceConfidence", Kind::Text),
    may("x_FxCurrency", Kind::Currency),
    may("x_FxRate", Kind::Price),
    may("x_FxDate", Kind::Text),
    must("x_CostNature", Kind::OneOf(&["capex", "opex"])),
    may("x_AmortisationMonths", Kind::Price),
    may("x_EnergyKwh", Kind::Price),
    may("x_CarbonLocationKg", Kind::Price),
    may("x_CarbonMarketKg", Kind::Decimal),
    may("x_CarbonEmbodiedKg", Kind::Price),
    may("x_WaterLitres", Kind::Price),
];

/// The columns of a version in order, ours last.
pub(super) fn columns(version: Version) -> impl Iterator<Item = &'static Column> {
    ALL.iter()
        .filter(move |c| match c.version {
            In::Both => true,
            In::Only(v) => v == version,
        })
        .chain(OWN)
}

/// Keys of `SkuPriceDetails` that FOCUS names (1.2, column `SkuPriceDetails`); others begin with `x_`.
pub(super) const PRICE_KEYS: &[&str] = &[
    "CoreCount",
    "DiskMaxIops",
    "DiskSpace",
    "DiskType",
    "GpuCount",
    "InstanceSeries",
    "InstanceType",
    "MemorySize",
    "NetworkMaxIops",
    "NetworkMaxThroughput",
    "OperatingSystem",
    "Redundancy",
    "StorageClass",
];

/// Active currencies of ISO 4217.
pub(super) const CURRENCIES: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD \
CDF CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF IDR ILS INR \
IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR \
MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP \
SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_version_has_its_columns() {
        let names = |v| columns(v).map(|c| c.name).collect::<Vec<_>>();
        let focus = |v| names(v).iter().filter(|n| !n.starts_with("x_")).count();
        assert_eq!(focus(Version::V1_2), 57, "the specification of 1.2 has 57");
        assert!(names(Version::V1_4).contains(&"ServiceProviderName") && !names(Version::V1_4).contains(&"ProviderName"));
        for v in [Version::V1_2, Version::V1_4] {
            let list = names(v);
            let own = list.iter().position(|n| n.starts_with("x_")).unwrap();
            assert!(list[own..].iter().all(|n| n.starts_with("x_")));
            assert!(list[..own].is_sorted());
        }
        assert!(belongs("Other (Compute)", "Compute") && !belongs("Object Storage", "Compute") && !belongs("Support", "Nothing"));
        assert_eq!(SERVICES.len(), 19);
    }
}
